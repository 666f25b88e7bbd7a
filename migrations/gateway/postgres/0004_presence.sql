-- Which servers there are, and up to which position of the history each judges.
create table gateway_presence (
    node       text        primary key,
    generation bigint      not null check (generation >= 0),
    seen_at    timestamptz not null
);
