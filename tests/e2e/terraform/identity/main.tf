# Who may do what, as people describe it to Terraform: users, groups, roles, policies and everything between them.

terraform {
  required_providers {
    aws = {
      source = "hashicorp/aws"
    }
  }
}

variable "endpoint" {}
variable "access_key" {}
variable "secret_key" {}
variable "name" {}
variable "package" {}
variable "action" {}

provider "aws" {
  region                      = "us-east-1"
  access_key                  = var.access_key
  secret_key                  = var.secret_key
  skip_credentials_validation = true
  skip_metadata_api_check     = true

  endpoints {
    iam    = var.endpoint
    lambda = var.endpoint
    sts    = var.endpoint
  }
}

data "aws_caller_identity" "me" {}

data "aws_iam_policy" "logs" {
  arn = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"
}

data "aws_iam_policy_document" "trust" {
  statement {
    actions = ["sts:AssumeRole"]
    principals {
      type        = "Service"
      identifiers = ["lambda.amazonaws.com"]
    }
  }
  statement {
    actions = ["sts:AssumeRole"]
    principals {
      type        = "AWS"
      identifiers = [aws_iam_user.deployer.arn]
    }
  }
}

data "aws_iam_policy_document" "deploy" {
  statement {
    sid       = "Deploy"
    actions   = [var.action, "lambda:List*"]
    resources = ["*"]
    condition {
      test     = "StringEquals"
      variable = "aws:RequestedRegion"
      values   = ["us-east-1"]
    }
  }
}

resource "aws_iam_policy" "boundary" {
  name   = "${var.name}-boundary"
  policy = jsonencode({ Version = "2012-10-17", Statement = [{ Effect = "Allow", Action = ["lambda:*", "sts:*", "logs:*"], Resource = "*" }] })
}

resource "aws_iam_policy" "deploy" {
  name        = "${var.name}-deploy"
  path        = "/ci/"
  description = "what a deployer may do"
  policy      = data.aws_iam_policy_document.deploy.json
  tags        = { team = "hearth" }
}

resource "aws_iam_user" "deployer" {
  name                 = "${var.name}-deployer"
  path                 = "/ci/"
  permissions_boundary = aws_iam_policy.boundary.arn
  force_destroy        = true
  tags                 = { team = "hearth" }
}

resource "aws_iam_access_key" "deployer" {
  user = aws_iam_user.deployer.name
}

resource "aws_iam_user_policy" "inline" {
  name   = "inline"
  user   = aws_iam_user.deployer.name
  policy = jsonencode({ Version = "2012-10-17", Statement = [{ Effect = "Allow", Action = "sts:AssumeRole", Resource = "*" }] })
}

resource "aws_iam_user_policy_attachment" "deploy" {
  user       = aws_iam_user.deployer.name
  policy_arn = aws_iam_policy.deploy.arn
}

resource "aws_iam_group" "ci" {
  name = "${var.name}-ci"
}

resource "aws_iam_group_membership" "ci" {
  name  = "ci"
  group = aws_iam_group.ci.name
  users = [aws_iam_user.deployer.name]
}

resource "aws_iam_group_policy" "inline" {
  name   = "inline"
  group  = aws_iam_group.ci.name
  policy = jsonencode({ Version = "2012-10-17", Statement = [{ Effect = "Deny", Action = "iam:*", Resource = "*" }] })
}

resource "aws_iam_group_policy_attachment" "logs" {
  group      = aws_iam_group.ci.name
  policy_arn = data.aws_iam_policy.logs.arn
}

resource "aws_iam_role" "function" {
  name                 = "${var.name}-function"
  path                 = "/ci/"
  assume_role_policy   = data.aws_iam_policy_document.trust.json
  permissions_boundary = aws_iam_policy.boundary.arn
  max_session_duration = 7200
}

resource "aws_iam_role_policy" "inline" {
  name   = "inline"
  role   = aws_iam_role.function.id
  policy = jsonencode({ Version = "2012-10-17", Statement = [{ Effect = "Allow", Action = "lambda:InvokeFunction", Resource = "*" }] })
}

resource "aws_iam_role_policy_attachment" "logs" {
  role       = aws_iam_role.function.name
  policy_arn = data.aws_iam_policy.logs.arn
}

resource "aws_iam_instance_profile" "function" {
  name = "${var.name}-profile"
  role = aws_iam_role.function.name
}

resource "aws_lambda_function" "function" {
  function_name = var.name
  role          = aws_iam_role.function.arn
  runtime       = "python3.11"
  handler       = "app.handler"
  filename      = var.package
}

resource "aws_lambda_permission" "bucket" {
  statement_id   = "bucket"
  action         = "lambda:InvokeFunction"
  function_name  = aws_lambda_function.function.function_name
  principal      = "s3.amazonaws.com"
  source_arn     = "arn:aws:s3:::${var.name}"
  source_account = data.aws_caller_identity.me.account_id
}

output "user" {
  value = aws_iam_user.deployer.arn
}

output "role" {
  value = aws_iam_role.function.arn
}

output "key" {
  value     = [aws_iam_access_key.deployer.id, aws_iam_access_key.deployer.secret]
  sensitive = true
}
