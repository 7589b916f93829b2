"""Will what is sent arrive, and can readers leave? The sending domain, the provider, the public service and this machine, judged."""
