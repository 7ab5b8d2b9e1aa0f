"""Schedules at sixty times the speed: what is due happens, once, with the clients people use."""

import json
import time

import pytest
from botocore.exceptions import ClientError

from support import aws, packages
from support.command_line import logs_of
from support.paths import E2E
from support.server import Server
from test_clients import cli  # noqa: F401
from test_terraform import start

PREFIX = f"{aws.REGION}:{aws.ACCOUNT}"
ROLE = aws.ROLE
SECONDS_MAX = 60

CODE = """
import json

def handler(event, context):
    print("GOT", json.dumps(event))
"""


@pytest.fixture
def fast(tmp_path):
    """Time goes sixty times as fast: a minute of a schedule is a second."""
    server = Server(tmp_path / "data", tmp_path / "server.log", arguments=["--time-scale", "60"])
    yield server
    server.stop()


class Queue:
    def __init__(self, server, key="test", secret="test", **attributes):
        self.key, self.secret, self.name = key, secret, aws.function_name("queue") + (".fifo" if attributes else "")
        self.connect(server)
        self.sqs.create_queue(QueueName=self.name, Attributes=attributes)
        self.arn = f"arn:aws:sqs:{PREFIX}:{self.name}"

    def connect(self, server):
        self.sqs = aws.client(server.url, "sqs", self.key, self.secret)
        self.url = f"{server.url}/{aws.ACCOUNT}/{self.name}"

    def take(self, wait=1):
        """What is there, received and deleted."""
        received = self.sqs.receive_message(
            QueueUrl=self.url, MaxNumberOfMessages=10, WaitTimeSeconds=wait, MessageAttributeNames=["All"]
        ).get("Messages", [])
        for message in received:
            self.sqs.delete_message(QueueUrl=self.url, ReceiptHandle=message["ReceiptHandle"])
        return received

    def wait(self, number):
        found, deadline = [], time.monotonic() + SECONDS_MAX
        while len(found) < number:
            assert time.monotonic() < deadline, f"{len(found)} of {number} messages"
            found += self.take()
        return found


def create(scheduler, name, expression, arn, window=None, **more):
    target = {"Arn": arn, "RoleArn": ROLE} | more.pop("target", {})
    window = window or {"Mode": "OFF"}
    return scheduler.create_schedule(Name=name, ScheduleExpression=expression, FlexibleTimeWindow=window, Target=target, **more)


def later(minutes):
    """That many minutes of the wall's clock from now, in UTC, as an expression. A server that has just started shows the same time."""
    return time.strftime("at(%Y-%m-%dT%H:%M:%S)", time.gmtime(time.time() + minutes * 60))


def gone(scheduler, name):
    deadline = time.monotonic() + SECONDS_MAX
    while time.monotonic() < deadline:
        try:
            scheduler.get_schedule(Name=name)
        except scheduler.exceptions.ResourceNotFoundException:
            return True
        time.sleep(0.2)
    return False


def test_a_rate_tells_a_queue_at_each_of_its_times(fast):
    scheduler, queue = aws.client(fast.url, "scheduler"), Queue(fast)
    text = "<aws.scheduler.scheduled-time> <aws.scheduler.schedule-arn> <aws.scheduler.attempt-number>"
    create(scheduler, "tick", "rate(2 minutes)", queue.arn, target={"Input": text})
    times = sorted(message["Body"].split()[0] for message in queue.wait(4))
    assert len(set(times)) == len(times), "each occurrence comes once"
    seconds = [time.mktime(time.strptime(shown, "%Y-%m-%dT%H:%M:%SZ")) for shown in times[:4]]
    assert [after - before for before, after in zip(seconds, seconds[1:])] == [120] * 3
    scheduler.delete_schedule(Name="tick")
    with pytest.raises(ClientError) as missing:
        scheduler.get_schedule(Name="tick")
    assert missing.value.response["Error"]["Code"] == "ResourceNotFoundException"
    assert missing.value.response["Error"]["Message"] == "Schedule tick does not exist."


def test_a_single_time_in_a_zone_invokes_a_function_and_goes(fast):
    scheduler, client = aws.client(fast.url, "scheduler"), aws.client(fast.url, "lambda")
    function = aws.create(client, packages.zip_of({"app.py": CODE}), handler="app.handler")
    arn = client.get_function(FunctionName=function.name)["Configuration"]["FunctionArn"]
    # Kathmandu's clocks are five hours and three quarters ahead of UTC all year.
    there = later(5 * 60 + 45 + 5)
    create(
        scheduler, "once", there, arn, ScheduleExpressionTimezone="Asia/Kathmandu", ActionAfterCompletion="DELETE",
        target={"Input": json.dumps({"said": "so", "execution": "<aws.scheduler.execution-id>"})},
    )
    assert scheduler.get_schedule(Name="once")["ScheduleExpression"] == there
    assert gone(scheduler, "once")
    deadline = time.monotonic() + SECONDS_MAX
    while "GOT" not in logs_of(fast, f"/aws/lambda/{function.name}"):
        assert time.monotonic() < deadline
        time.sleep(0.5)
    lines = [line for line in logs_of(fast, f"/aws/lambda/{function.name}").splitlines() if "GOT" in line]
    assert len(lines) == 1 and '"said": "so"' in lines[0] and "<aws" not in lines[0]


def test_a_function_that_is_not_there_ends_with_a_dead_letter(fast):
    scheduler, dead = aws.client(fast.url, "scheduler"), Queue(fast)
    missing = f"arn:aws:lambda:{PREFIX}:function:nobody"
    create(scheduler, "lost", later(2), missing, target={"Input": '{"a": 1}', "DeadLetterConfig": {"Arn": dead.arn}})
    [letter] = dead.wait(1)
    attributes = {name: value["StringValue"] for name, value in letter["MessageAttributes"].items()}
    assert attributes["ERROR_CODE"] == "ResourceNotFoundException"
    assert attributes["TARGET_ARN"] == missing and attributes["RETRY_ATTEMPTS"] == "0"
    assert attributes["SCHEDULE_ARN"] == f"arn:aws:scheduler:{PREFIX}:schedule/default/lost"
    assert json.loads(letter["Body"])["Payload"] == '{"a": 1}'


def test_flexible_windows_put_off_and_fifo_queues_get_their_group(fast):
    scheduler, queue = aws.client(fast.url, "scheduler"), Queue(fast, FifoQueue="true")
    for number in range(5):
        create(
            scheduler, f"s{number}", later(2), queue.arn, window={"Mode": "FLEXIBLE", "MaximumWindowInMinutes": 5},
            target={"Input": str(number), "SqsParameters": {"MessageGroupId": "g"}},
        )
    assert sorted(message["Body"] for message in queue.wait(5)) == ["0", "1", "2", "3", "4"]
    with pytest.raises(ClientError) as refused:
        create(scheduler, "x", "rate(1 minute)", queue.arn)
    assert refused.value.response["Error"]["Code"] == "ValidationException"


def test_kill_9_around_occurrences_repeats_none_and_loses_none(tmp_path):
    server = Server(tmp_path / "data", tmp_path / "server.log", arguments=["--time-scale", "60"])
    try:
        scheduler, queue = aws.client(server.url, "scheduler"), Queue(server)
        create(scheduler, "tick", "rate(1 minute)", queue.arn, target={"Input": "<aws.scheduler.scheduled-time>"})
        for round_number in range(6):
            create(scheduler, f"once-{round_number}", "rate(1 day)", queue.arn, target={"Input": f"day {round_number}"})
            # Longer than the service clock is kept for: a kill sets it back by two seconds of the wall's at most.
            time.sleep(2.1 + 0.3 * round_number)
            server.kill()
            server.start()
            queue.connect(server)
            scheduler = aws.client(server.url, "scheduler")
        days, found, deadline = [f"day {number}" for number in range(6)], [], time.monotonic() + SECONDS_MAX
        while not set(days) <= set(found):
            # What is acknowledged is done: at its time, or late, after the restart.
            assert time.monotonic() < deadline, found
            found += [message["Body"] for message in queue.take()]
        scheduler.delete_schedule(Name="tick")
        while messages := queue.take(wait=3):
            found += [message["Body"] for message in messages]
        ticks = [body for body in found if not body.startswith("day")]
        assert len(ticks) == len(set(ticks)) >= 4, sorted(ticks)
        assert sorted(body for body in found if body.startswith("day")) == days
    finally:
        server.stop()


def test_the_execution_role_alone_says_what_a_schedule_may(tmp_path):
    """In enforce mode."""
    server = Server(tmp_path / "data", tmp_path / "server.log", arguments=["--auth", "enforce", "--time-scale", "60"])
    try:
        key, secret = server.root_key
        iam, scheduler = (aws.client(server.url, name, key, secret) for name in ("iam", "scheduler"))
        queue = Queue(server, key, secret)

        def trust(service):
            statement = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": service}}
            return json.dumps({"Version": "2012-10-17", "Statement": [statement]})

        role = iam.create_role(RoleName="teller", AssumeRolePolicyDocument=trust("lambda.amazonaws.com"))["Role"]["Arn"]
        with pytest.raises(ClientError) as refused:
            create(scheduler, "s", later(1), queue.arn, target={"RoleArn": role, "Input": "x"})
        text = "The execution role you provide must allow AWS EventBridge Scheduler to assume the role."
        assert refused.value.response["Error"]["Message"] == text
        iam.update_assume_role_policy(RoleName="teller", PolicyDocument=trust("scheduler.amazonaws.com"))
        create(scheduler, "denied", "rate(1 day)", queue.arn, target={"RoleArn": role, "Input": "denied"})
        time.sleep(2)
        statement = {"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": queue.arn}
        policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        iam.put_role_policy(RoleName="teller", PolicyName="p", PolicyDocument=policy)
        create(scheduler, "allowed", "rate(1 day)", queue.arn, target={"RoleArn": role, "Input": "allowed"})
        assert [message["Body"] for message in queue.wait(1)] == ["allowed"]
        assert queue.take() == []
    finally:
        server.stop()


def test_recorded_errors_are_answered_to_the_letter(server):
    scheduler = aws.client(server.url, "scheduler")
    for expression in [
        " rate(10 minutes)", "at(2021-12-31)", "at(2021-12-31T23:59:59Z)", "cron()", "cron(0 1 * * * *)",
        "cron(0 dummy ? * MON-FRI *)", "cron(7 20 * * NOT *)", "cron(71 8 1 * ? *)", "cron(INVALID)",
        "rate( 10 minutes )", "rate()", "rate(-10 minutes)", "rate(10 minutess)", "rate(10 seconds)", "rate(10 years)",
        "rate(10)", "rate(foo minutes)",
    ]:  # fmt: skip
        with pytest.raises(ClientError) as refused:
            create(scheduler, "s", expression, f"arn:aws:lambda:{PREFIX}:function:f")
        answer = refused.value.response
        assert (answer["Error"]["Code"], answer["ResponseMetadata"]["HTTPStatusCode"]) == ("ValidationException", 400)
        assert answer["Error"]["Message"] == f"Invalid Schedule Expression {expression}."


def test_the_command_line_makes_lists_and_deletes(server, cli):  # noqa: F811
    name, group = aws.function_name("s"), aws.function_name("g")
    cli("scheduler", "create-schedule-group", "--name", group, "--tags", "Key=a,Value=b")
    target = json.dumps({"Arn": f"arn:aws:sqs:{PREFIX}:q", "RoleArn": ROLE, "Input": "x"})
    made = cli(
        "scheduler", "create-schedule", "--name", name, "--group-name", group, "--schedule-expression", "cron(0 12 ? * MON-FRI *)",
        "--flexible-time-window", "Mode=OFF", "--target", target, "--start-date", "2100-01-01T00:00:00Z",
    )
    assert made["ScheduleArn"] == f"arn:aws:scheduler:{PREFIX}:schedule/{group}/{name}"
    [listed] = cli("scheduler", "list-schedules", "--group-name", group)["Schedules"]
    assert (listed["Name"], listed["State"]) == (name, "ENABLED")
    shown = cli("scheduler", "get-schedule", "--name", name, "--group-name", group)
    # Version 1 shows seconds.
    assert str(shown["StartDate"]).startswith(("2100-01-01T00:00:00", "4102444800"))
    arn = f"arn:aws:scheduler:{PREFIX}:schedule-group/{group}"
    assert cli("scheduler", "list-tags-for-resource", "--resource-arn", arn)["Tags"] == [{"Key": "a", "Value": "b"}]
    cli("scheduler", "delete-schedule-group", "--name", group)
    scheduler = aws.client(server.url, "scheduler")
    assert group not in [found["Name"] for found in scheduler.list_schedule_groups()["ScheduleGroups"]]


@pytest.mark.timeout(600)
def test_terraform_makes_changes_and_destroys_a_schedule(server, tmp_path):
    assert (E2E / "terraform" / "schedule").is_dir()
    terraform = start(tmp_path, "schedule", endpoint=server.url, expression="cron(0 12 * * ? *)", window=15)
    name = terraform.environment["TF_VAR_name"]
    assert terraform.apply()["schedule"] == f"arn:aws:scheduler:{PREFIX}:schedule/{name}/{name}"
    scheduler = aws.client(server.url, "scheduler")
    shown = scheduler.get_schedule(Name=name, GroupName=name)
    assert shown["FlexibleTimeWindow"] == {"Mode": "FLEXIBLE", "MaximumWindowInMinutes": 15}
    terraform.set(expression="rate(7 days)", window=0)
    terraform.apply()
    shown = scheduler.get_schedule(Name=name, GroupName=name)
    assert (shown["ScheduleExpression"], shown["FlexibleTimeWindow"]) == ("rate(7 days)", {"Mode": "OFF"})
    terraform.destroy()
    with pytest.raises(scheduler.exceptions.ResourceNotFoundException):
        scheduler.get_schedule_group(Name=name)


def test_a_rule_with_a_schedule_tells_its_targets(fast):
    events, queue = aws.client(fast.url, "events"), Queue(fast)
    policy = {"Effect": "Allow", "Principal": {"Service": "events.amazonaws.com"}, "Action": "sqs:SendMessage", "Resource": queue.arn}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [policy]})
    queue.sqs.set_queue_attributes(QueueUrl=queue.url, Attributes={"Policy": policy})
    rule = events.put_rule(Name="tick", ScheduleExpression="rate(1 minute)")["RuleArn"]
    events.put_targets(Rule="tick", Targets=[{"Id": "q", "Arn": queue.arn}])
    told = [json.loads(message["Body"]) for message in queue.wait(3)]
    assert {event["detail-type"] for event in told} == {"Scheduled Event"}
    assert {(event["source"], *event["resources"]) for event in told} == {("aws.events", rule)}
    assert len({event["time"] for event in told}) == len(told), "each occurrence comes once"
    assert events.describe_rule(Name="tick")["ScheduleExpression"] == "rate(1 minute)"
    with pytest.raises(ClientError) as refused:
        events.put_rule(Name="x", ScheduleExpression="at(2030-01-01T00:00:00)")
    assert refused.value.response["Error"]["Message"] == "Parameter ScheduleExpression is not valid."
