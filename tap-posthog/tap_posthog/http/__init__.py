"""HTTP below any one API: deadlines, proxies, authorities, headers."""
