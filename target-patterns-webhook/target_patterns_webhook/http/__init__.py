"""One attempt over HTTP: deadlines, proxies, signatures, and what came back."""
