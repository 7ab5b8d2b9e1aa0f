# A log group whose lines go to a function. The variables are what the test changes.

terraform {
  required_providers {
    aws = {
      source = "hashicorp/aws"
    }
  }
}

variable "endpoint" {}
variable "name" {}
variable "function" {}
variable "pattern" {}

provider "aws" {
  region                      = "us-east-1"
  access_key                  = "test"
  secret_key                  = "test"
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  skip_requesting_account_id  = true

  endpoints {
    lambda = var.endpoint
    logs   = var.endpoint
    sts    = var.endpoint
  }
}

data "aws_lambda_function" "watch" {
  function_name = var.function
}

resource "aws_cloudwatch_log_group" "app" {
  name = "/terraform/${var.name}"
}

resource "aws_lambda_permission" "logs" {
  action        = "lambda:InvokeFunction"
  function_name = var.function
  principal     = "logs.amazonaws.com"
  source_arn    = "${aws_cloudwatch_log_group.app.arn}:*"
}

resource "aws_cloudwatch_log_subscription_filter" "errors" {
  depends_on      = [aws_lambda_permission.logs]
  name            = "errors"
  log_group_name  = aws_cloudwatch_log_group.app.name
  filter_pattern  = var.pattern
  destination_arn = data.aws_lambda_function.watch.arn
}
