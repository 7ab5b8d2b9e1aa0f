# Log groups as people describe them to Terraform. The variables are what the test changes.

terraform {
  required_providers {
    aws = {
      source = "hashicorp/aws"
    }
  }
}

variable "endpoint" {}
variable "name" {}
variable "days" {
  type = number
}
variable "team" {}

provider "aws" {
  region                      = "us-east-1"
  access_key                  = "test"
  secret_key                  = "test"
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  skip_requesting_account_id  = true

  endpoints {
    logs = var.endpoint
    sts  = var.endpoint
  }
}

resource "aws_cloudwatch_log_group" "kept" {
  name              = "/terraform/${var.name}"
  retention_in_days = var.days
  tags              = { team = var.team }
}

resource "aws_cloudwatch_log_group" "for_ever" {
  name = "/terraform/${var.name}/for-ever"
}

resource "aws_cloudwatch_log_stream" "stream" {
  name           = "stream"
  log_group_name = aws_cloudwatch_log_group.for_ever.name
}

output "arn" {
  value = aws_cloudwatch_log_group.kept.arn
}
