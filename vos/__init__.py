"""Decision-boundary data synthesizer for text classifiers, via virtual outlier synthesis."""

__version__ = "0.1.0"
