"""The embedded corpus and sets of texts: what gives a label away, what simple models know, how varied texts are."""
