-- Who a person is in Slack, so that a click there decides as them.

alter table gateway_person add column slack_user text;

create unique index gateway_person_slack on gateway_person (slack_user) where slack_user is not null;
