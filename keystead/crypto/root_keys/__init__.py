"""Where root keys come from, beside a file: one module a provider, and shares of a key on paper."""
