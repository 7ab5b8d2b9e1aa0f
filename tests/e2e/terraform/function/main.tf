# A function as people describe one to Terraform. The variables are what the test changes.

terraform {
  required_providers {
    aws = {
      source = "hashicorp/aws"
    }
  }
}

variable "endpoint" {}
variable "name" {}
variable "package" {}
variable "memory" {
  type = number
}
variable "greeting" {}

provider "aws" {
  region                      = "us-east-1"
  access_key                  = "test"
  secret_key                  = "test"
  skip_credentials_validation = true
  skip_metadata_api_check     = true

  endpoints {
    iam    = var.endpoint
    lambda = var.endpoint
    sts    = var.endpoint
  }
}

data "aws_caller_identity" "me" {}

resource "aws_iam_role" "function" {
  name        = var.name
  description = "of ${var.name}"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "lambda.amazonaws.com" }
    }]
  })
  tags = { team = "hearth" }
}

resource "aws_iam_role_policy" "inline" {
  name = "inline"
  role = aws_iam_role.function.id
  policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Action = ["lambda:InvokeFunction"], Resource = "*" }]
  })
}

resource "aws_iam_role_policy_attachment" "logs" {
  role       = aws_iam_role.function.name
  policy_arn = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"
}

resource "aws_lambda_function" "function" {
  function_name    = var.name
  description      = "made by Terraform"
  role             = aws_iam_role.function.arn
  runtime          = "python3.11"
  handler          = "app.handler"
  filename         = var.package
  source_code_hash = filebase64sha256(var.package)
  memory_size      = var.memory
  timeout          = 5
  publish          = true
  tags             = { team = "hearth" }

  environment {
    variables = { GREETING = var.greeting }
  }

  ephemeral_storage {
    size = 1024
  }

  logging_config {
    log_format = "Text"
    log_group  = "/terraform/${var.name}"
  }
}

output "account" {
  value = data.aws_caller_identity.me.account_id
}

output "version" {
  value = aws_lambda_function.function.version
}
