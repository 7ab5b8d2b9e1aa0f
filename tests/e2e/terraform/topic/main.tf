# A topic that a queue is told of: with a filter, raw, and a queue for what cannot be delivered. The variables are what
# the test changes.

terraform {
  required_providers {
    aws = {
      source = "hashicorp/aws"
    }
  }
}

variable "endpoint" {}
variable "name" {}
variable "kinds" {
  type = list(string)
}
variable "raw" {
  type = bool
}

provider "aws" {
  region                      = "us-east-1"
  access_key                  = "test"
  secret_key                  = "test"
  skip_credentials_validation = true
  skip_metadata_api_check     = true

  endpoints {
    iam = var.endpoint
    sns = var.endpoint
    sqs = var.endpoint
    sts = var.endpoint
  }
}

resource "aws_sns_topic" "news" {
  name         = var.name
  display_name = "News"
  tags = {
    stage = "test"
  }
}

resource "aws_sqs_queue" "readers" {
  name = "${var.name}-readers"
}

resource "aws_sqs_queue" "dead" {
  name = "${var.name}-dead"
}

data "aws_iam_policy_document" "told" {
  for_each = { readers = aws_sqs_queue.readers.arn, dead = aws_sqs_queue.dead.arn }
  statement {
    actions   = ["sqs:SendMessage"]
    resources = [each.value]
    principals {
      type        = "Service"
      identifiers = ["sns.amazonaws.com"]
    }
    condition {
      test     = "ArnEquals"
      variable = "aws:SourceArn"
      values   = [aws_sns_topic.news.arn]
    }
  }
}

resource "aws_sqs_queue_policy" "readers" {
  queue_url = aws_sqs_queue.readers.url
  policy    = data.aws_iam_policy_document.told["readers"].json
}

resource "aws_sqs_queue_policy" "dead" {
  queue_url = aws_sqs_queue.dead.url
  policy    = data.aws_iam_policy_document.told["dead"].json
}

data "aws_iam_policy_document" "topic" {
  statement {
    actions   = ["sns:Publish"]
    resources = [aws_sns_topic.news.arn]
    principals {
      type        = "Service"
      identifiers = ["s3.amazonaws.com"]
    }
  }
}

resource "aws_sns_topic_policy" "news" {
  arn    = aws_sns_topic.news.arn
  policy = data.aws_iam_policy_document.topic.json
}

resource "aws_sns_topic_subscription" "readers" {
  topic_arn            = aws_sns_topic.news.arn
  protocol             = "sqs"
  endpoint             = aws_sqs_queue.readers.arn
  raw_message_delivery = var.raw
  filter_policy        = jsonencode({ kind = var.kinds })
  redrive_policy       = jsonencode({ deadLetterTargetArn = aws_sqs_queue.dead.arn })
}

output "topic" {
  value = aws_sns_topic.news.arn
}

output "queue" {
  value = aws_sqs_queue.readers.arn
}
