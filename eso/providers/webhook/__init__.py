"""Any HTTP service: URL, headers and body are templates, a JSONPath names the value in the answer."""
