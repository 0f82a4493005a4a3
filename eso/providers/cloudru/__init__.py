"""Cloud.ru Secret Manager: gRPC over our own connections."""
