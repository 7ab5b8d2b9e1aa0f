# A bucket with most of what is set around one, a queue that is told of its objects, and an object. The variables are what
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
variable "days" {
  type = number
}
variable "content" {}

provider "aws" {
  region                      = "us-east-1"
  access_key                  = "test"
  secret_key                  = "test"
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  s3_use_path_style           = true

  endpoints {
    iam = var.endpoint
    s3  = var.endpoint
    sqs = var.endpoint
    sts = var.endpoint
  }
}

resource "aws_s3_bucket" "files" {
  bucket = var.name
  tags = {
    stage = "test"
  }
}

resource "aws_s3_bucket_versioning" "files" {
  bucket = aws_s3_bucket.files.id
  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_public_access_block" "files" {
  bucket                  = aws_s3_bucket.files.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_server_side_encryption_configuration" "files" {
  bucket = aws_s3_bucket.files.id
  rule {
    apply_server_side_encryption_by_default {
      sse_algorithm = "AES256"
    }
  }
}

resource "aws_s3_bucket_policy" "files" {
  bucket = aws_s3_bucket.files.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "tls"
      Effect    = "Deny"
      Principal = { AWS = "arn:aws:iam::111122223333:root" }
      Action    = "s3:GetObject"
      Resource  = "${aws_s3_bucket.files.arn}/*"
    }]
  })
}

resource "aws_s3_bucket_lifecycle_configuration" "files" {
  bucket = aws_s3_bucket.files.id
  rule {
    id     = "old"
    status = "Enabled"
    filter {
      prefix = "tmp/"
    }
    expiration {
      days = var.days
    }
    noncurrent_version_expiration {
      noncurrent_days = 7
    }
    abort_incomplete_multipart_upload {
      days_after_initiation = 2
    }
  }
}

resource "aws_s3_bucket_cors_configuration" "files" {
  bucket = aws_s3_bucket.files.id
  cors_rule {
    allowed_methods = ["GET"]
    allowed_origins = ["https://a.example"]
    max_age_seconds = 60
  }
}

resource "aws_sqs_queue" "told" {
  name = var.name
}

resource "aws_sqs_queue_policy" "told" {
  queue_url = aws_sqs_queue.told.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "s3.amazonaws.com" }
      Action    = "sqs:SendMessage"
      Resource  = aws_sqs_queue.told.arn
      Condition = { ArnEquals = { "aws:SourceArn" = aws_s3_bucket.files.arn } }
    }]
  })
}

resource "aws_s3_bucket_notification" "files" {
  bucket = aws_s3_bucket.files.id
  queue {
    id            = "made"
    queue_arn     = aws_sqs_queue.told.arn
    events        = ["s3:ObjectCreated:*"]
    filter_suffix = ".txt"
  }
  depends_on = [aws_sqs_queue_policy.told]
}

resource "aws_s3_object" "greeting" {
  bucket       = aws_s3_bucket.files.id
  key          = "greetings/hello.txt"
  content      = var.content
  content_type = "text/plain"
  tags = {
    kind = "greeting"
  }
  depends_on = [aws_s3_bucket_versioning.files, aws_s3_bucket_notification.files]
}

output "version" {
  value = aws_s3_object.greeting.version_id
}
