# A group with a schedule that sends to a queue. The variables are what the test changes.

terraform {
  required_providers {
    aws = {
      source = "hashicorp/aws"
    }
  }
}

variable "endpoint" {}
variable "name" {}
variable "expression" {}
variable "window" {
  type = number
}

provider "aws" {
  region                      = "us-east-1"
  access_key                  = "test"
  secret_key                  = "test"
  skip_credentials_validation = true
  skip_metadata_api_check     = true

  endpoints {
    iam       = var.endpoint
    scheduler = var.endpoint
    sqs       = var.endpoint
    sts       = var.endpoint
  }
}

resource "aws_sqs_queue" "told" {
  name = "${var.name}-told"
}

resource "aws_sqs_queue" "dead" {
  name = "${var.name}-dead"
}

resource "aws_iam_role" "scheduler" {
  name = var.name
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "scheduler.amazonaws.com" }
    }]
  })
}

resource "aws_scheduler_schedule_group" "all" {
  name = var.name
  tags = {
    stage = "test"
  }
}

resource "aws_scheduler_schedule" "told" {
  name                         = var.name
  group_name                   = aws_scheduler_schedule_group.all.name
  description                  = "tells a queue"
  schedule_expression          = var.expression
  schedule_expression_timezone = "Europe/Berlin"

  flexible_time_window {
    mode                      = var.window > 0 ? "FLEXIBLE" : "OFF"
    maximum_window_in_minutes = var.window > 0 ? var.window : null
  }

  target {
    arn      = aws_sqs_queue.told.arn
    role_arn = aws_iam_role.scheduler.arn
    input    = "told"

    dead_letter_config {
      arn = aws_sqs_queue.dead.arn
    }

    retry_policy {
      maximum_retry_attempts       = 3
      maximum_event_age_in_seconds = 600
    }
  }
}

output "schedule" {
  value = aws_scheduler_schedule.told.arn
}
