"""Generated texts: how near each method gets to its targets, where real texts are, and whether they are readable."""
