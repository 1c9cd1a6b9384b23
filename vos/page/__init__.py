"""Shared code of offline pages: joining their parts, safe data, the content security policy, scripts and styles."""
