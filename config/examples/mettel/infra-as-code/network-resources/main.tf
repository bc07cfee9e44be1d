# Two networks: one for production, one for all branches together.

terraform {
  required_version = ">= 1.0"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 5.0"
    }
  }
}

module "production" {
  source = "./network"
  name   = "production"
  cidr   = "10.1.0.0/16"
}

module "dev" {
  source = "./network"
  name   = "dev"
  cidr   = "10.2.0.0/16"
}
