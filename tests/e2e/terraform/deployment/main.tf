# What people put around a function: layers, an alias with weights, who may call it, how events are retried, how many
# may run at once. The variables are what the test changes.

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
variable "layer" {}
variable "stage" {}
variable "reserved" {
  type = number
}
variable "live" {}
variable "canary" {
  type = map(number)
}
variable "authorization" {}
variable "origins" {
  type = list(string)
}
variable "retries" {
  type = number
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

resource "aws_lambda_layer_version" "shared" {
  layer_name               = "${var.name}-shared"
  description              = "shared by all"
  license_info             = "MIT"
  filename                 = var.layer
  source_code_hash         = filebase64sha256(var.layer)
  compatible_runtimes      = ["python3.11", "python3.12"]
  compatible_architectures = ["x86_64"]
}

resource "aws_lambda_layer_version_permission" "account" {
  layer_name     = aws_lambda_layer_version.shared.layer_name
  version_number = aws_lambda_layer_version.shared.version
  statement_id   = "account"
  action         = "lambda:GetLayerVersion"
  principal      = "111122223333"
}

resource "aws_lambda_function" "function" {
  function_name                  = var.name
  role                           = aws_iam_role.function.arn
  runtime                        = "python3.11"
  handler                        = "app.handler"
  filename                       = var.package
  source_code_hash               = filebase64sha256(var.package)
  layers                         = [aws_lambda_layer_version.shared.arn]
  reserved_concurrent_executions = var.reserved
  publish                        = true
  tags                           = { team = "hearth", stage = var.stage }
}

resource "aws_lambda_alias" "live" {
  name             = "live"
  description      = "what users call"
  function_name    = aws_lambda_function.function.function_name
  function_version = var.live

  dynamic "routing_config" {
    for_each = length(var.canary) > 0 ? [var.canary] : []
    content {
      additional_version_weights = routing_config.value
    }
  }
}

resource "aws_lambda_permission" "live" {
  statement_id  = "events"
  action        = "lambda:InvokeFunction"
  function_name = aws_lambda_function.function.function_name
  qualifier     = aws_lambda_alias.live.name
  principal     = "events.amazonaws.com"
}

resource "aws_lambda_function_url" "live" {
  function_name      = aws_lambda_function.function.function_name
  qualifier          = aws_lambda_alias.live.name
  authorization_type = var.authorization

  dynamic "cors" {
    for_each = var.origins
    content {
      allow_origins  = [cors.value]
      allow_methods  = ["GET", "POST"]
      allow_headers  = ["date", "keep-alive"]
      expose_headers = ["x-one"]
      max_age        = 60
    }
  }
}

resource "aws_lambda_permission" "url" {
  statement_id           = "url"
  action                 = "lambda:InvokeFunctionUrl"
  function_name          = aws_lambda_function.function.function_name
  qualifier              = aws_lambda_alias.live.name
  principal              = "*"
  function_url_auth_type = var.authorization
}

resource "aws_lambda_function_event_invoke_config" "live" {
  function_name                = aws_lambda_function.function.function_name
  qualifier                    = aws_lambda_alias.live.name
  maximum_retry_attempts       = var.retries
  maximum_event_age_in_seconds = 120
}

resource "aws_lambda_function_recursion_config" "function" {
  function_name  = aws_lambda_function.function.function_name
  recursive_loop = "Allow"
}

resource "aws_lambda_runtime_management_config" "function" {
  function_name     = aws_lambda_function.function.function_name
  update_runtime_on = "Auto"
}

data "aws_lambda_layer_version" "shared" {
  layer_name = aws_lambda_layer_version.shared.layer_name
  depends_on = [aws_lambda_layer_version.shared]
}

data "aws_lambda_alias" "live" {
  function_name = aws_lambda_function.function.function_name
  name          = aws_lambda_alias.live.name
}

output "layer" {
  value = aws_lambda_layer_version.shared.arn
}

output "newest_layer" {
  value = data.aws_lambda_layer_version.shared.version
}

output "alias" {
  value = data.aws_lambda_alias.live.arn
}

output "url" {
  value = aws_lambda_function_url.live.function_url
}

output "url_id" {
  value = aws_lambda_function_url.live.url_id
}
