"""The provider `aws`: Secrets Manager, Parameter Store and Certificate Manager of Amazon Web Services."""
