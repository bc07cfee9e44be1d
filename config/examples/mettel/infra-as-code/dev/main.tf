# What all branch environments share: the role that berth assumes for them, and the secrets' names.

terraform {
  required_version = ">= 1.0"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 5.0"
    }
  }
}

variable "runner_role_arn" {
  description = "The role of the runner host"
  type        = string
}

variable "policies" {
  description = "What 'berth iam-policy --kind ephemeral' prints, by name"
  type        = map(string)
  default     = {}
}

variable "secrets" {
  description = "Their values are put by hand, once"
  type        = set(string)
  default = [
    "BRUIN_CLIENT_SECRET", "EMAIL_ACC_PWD", "GF_SECURITY_ADMIN_PASSWORD", "SLACK_URL", "T7_TOKEN",
    "VELOCLOUD_CREDENTIALS",
  ]
}

resource "aws_iam_role" "berth_ephemeral" {
  name = "berth-ephemeral"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { AWS = var.runner_role_arn }
    }]
  })
}

resource "aws_iam_role_policy" "berth_ephemeral" {
  for_each = var.policies
  name     = each.key
  role     = aws_iam_role.berth_ephemeral.id
  policy   = each.value
}

resource "aws_ssm_parameter" "secret" {
  for_each = var.secrets
  name     = "/mettel/${each.value}"
  type     = "SecureString"
  value    = "to be set"

  lifecycle {
    ignore_changes = [value]
  }
}
