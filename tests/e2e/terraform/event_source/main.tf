# A queue whose messages go to a function. The variables are what the test changes.

terraform {
  required_providers {
    aws = {
      source = "hashicorp/aws"
    }
  }
}

variable "endpoint" {}
variable "name" {}
variable "batch_size" {
  type = number
}
variable "concurrency" {
  type = list(number)
}
variable "kinds" {
  type = list(string)
}
variable "metrics" {
  type = list(string)
}

provider "aws" {
  region                      = "us-east-1"
  access_key                  = "test"
  secret_key                  = "test"
  skip_credentials_validation = true
  skip_metadata_api_check     = true

  endpoints {
    iam    = var.endpoint
    lambda = var.endpoint
    sqs    = var.endpoint
    sts    = var.endpoint
  }
}

resource "aws_iam_role" "function" {
  name = var.name
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "lambda.amazonaws.com" }
    }]
  })
}

resource "aws_iam_role_policy_attachment" "queue" {
  role       = aws_iam_role.function.name
  policy_arn = "arn:aws:iam::aws:policy/service-role/AWSLambdaSQSQueueExecutionRole"
}

resource "aws_sqs_queue" "queue" {
  name                       = var.name
  visibility_timeout_seconds = 30
}

resource "aws_lambda_function" "function" {
  function_name = var.name
  role          = aws_iam_role.function.arn
  runtime       = "python3.11"
  handler       = "app.handler"
  filename      = "package.zip"
  depends_on    = [aws_iam_role_policy_attachment.queue]
}

resource "aws_lambda_event_source_mapping" "mapping" {
  event_source_arn        = aws_sqs_queue.queue.arn
  function_name           = aws_lambda_function.function.arn
  batch_size              = var.batch_size
  function_response_types = ["ReportBatchItemFailures"]

  dynamic "scaling_config" {
    for_each = var.concurrency
    content {
      maximum_concurrency = scaling_config.value
    }
  }

  dynamic "filter_criteria" {
    for_each = length(var.kinds) > 0 ? [var.kinds] : []
    content {
      filter {
        pattern = jsonencode({ body = { kind = filter_criteria.value } })
      }
    }
  }

  dynamic "metrics_config" {
    for_each = length(var.metrics) > 0 ? [var.metrics] : []
    content {
      metrics = metrics_config.value
    }
  }

  tags = { team = "hearth" }
}

output "mapping" {
  value = aws_lambda_event_source_mapping.mapping.uuid
}

output "queue" {
  value = aws_sqs_queue.queue.url
}
