-- Rungs that need more than one person, and policies that became stricter meanwhile.

-- JSON with its version: {"v":1,"votes":[...]}, what people have said so far; null: nothing.
alter table escalation_approval add column votes text;

-- The chain that is asked since a policy became stricter, as `chain`; null: `chain` still is.
alter table escalation_approval add column chain_now text;
