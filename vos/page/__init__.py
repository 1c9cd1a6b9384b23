"""What offline pages share: joining their parts, safe data, the content security policy, scripts and styles."""
