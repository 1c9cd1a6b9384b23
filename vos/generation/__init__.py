"""Texts that a language model makes for virtual outliers: prompts, drafts, sampling, rules, acceptance."""
