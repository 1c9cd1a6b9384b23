"""What the site generates from the source when it is built: settings, API, file formats, pictures, links."""
