# A bus with an archive and a permission, a rule with a pattern on it, and one with a schedule on the default bus. The
# variables are what the test changes.

terraform {
  required_providers {
    aws = {
      source = "hashicorp/aws"
    }
  }
}

variable "endpoint" {}
variable "name" {}
variable "state" {}
variable "days" {
  type = number
}

provider "aws" {
  region                      = "us-east-1"
  access_key                  = "test"
  secret_key                  = "test"
  skip_credentials_validation = true
  skip_metadata_api_check     = true

  endpoints {
    eventbridge = var.endpoint
    sqs         = var.endpoint
    sts         = var.endpoint
  }
}

resource "aws_sqs_queue" "told" {
  name = "${var.name}-told"
}

resource "aws_sqs_queue" "dead" {
  name = "${var.name}-dead"
}

resource "aws_cloudwatch_event_bus" "own" {
  name        = var.name
  description = "a bus of its own"
  tags = {
    stage = "test"
  }
}

resource "aws_cloudwatch_event_permission" "other" {
  principal      = "111122223333"
  statement_id   = "other"
  event_bus_name = aws_cloudwatch_event_bus.own.name
}

resource "aws_cloudwatch_event_archive" "own" {
  name             = var.name
  description      = "what was ordered"
  event_source_arn = aws_cloudwatch_event_bus.own.arn
  event_pattern    = jsonencode({ source = ["shop"] })
  retention_days   = var.days
}

resource "aws_cloudwatch_event_rule" "ordered" {
  name           = var.name
  event_bus_name = aws_cloudwatch_event_bus.own.name
  event_pattern = jsonencode({
    source      = ["shop"]
    detail-type = [{ prefix = "order" }]
  })
}

resource "aws_cloudwatch_event_target" "told" {
  rule           = aws_cloudwatch_event_rule.ordered.name
  event_bus_name = aws_cloudwatch_event_bus.own.name
  target_id      = "told"
  arn            = aws_sqs_queue.told.arn

  input_transformer {
    input_paths = {
      item = "$.detail.item"
    }
    input_template = "{\"ordered\": <item>}"
  }

  dead_letter_config {
    arn = aws_sqs_queue.dead.arn
  }

  retry_policy {
    maximum_event_age_in_seconds = 600
    maximum_retry_attempts       = 3
  }
}

resource "aws_cloudwatch_event_rule" "daily" {
  name                = "${var.name}-daily"
  schedule_expression = "rate(1 day)"
  state               = var.state
}

resource "aws_cloudwatch_event_target" "daily" {
  rule  = aws_cloudwatch_event_rule.daily.name
  arn   = aws_sqs_queue.told.arn
  input = jsonencode({ daily = true })
}

output "bus" {
  value = aws_cloudwatch_event_bus.own.arn
}
