# Once per account, and nobody's environment: what people look up, and berth does not make.

terraform {
  required_version = ">= 1.0"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 5.0"
    }
  }
}

variable "zone" {
  description = "The public zone in which each environment has its record"
  type        = string
  default     = "mettel-automation.net"
}

resource "aws_route53_zone" "public" {
  name = var.zone
}

resource "aws_acm_certificate" "wildcard" {
  domain_name       = "*.${var.zone}"
  validation_method = "DNS"

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_route53_record" "validation" {
  for_each = {
    for option in aws_acm_certificate.wildcard.domain_validation_options : option.domain_name => option
  }

  zone_id = aws_route53_zone.public.zone_id
  name    = each.value.resource_record_name
  type    = each.value.resource_record_type
  records = [each.value.resource_record_value]
  ttl     = 300
}
