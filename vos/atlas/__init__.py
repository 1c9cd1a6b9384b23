"""The boundary atlas of a finished run: its texts, the arrays of each view, and one offline page that shows them."""
