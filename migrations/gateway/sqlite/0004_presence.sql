-- Which servers there are, and up to which position of the history each judges. One server owns a
-- file, so here nobody needs to ask.
create table gateway_presence (
    node       text    not null primary key,
    generation integer not null check (generation >= 0),
    seen_at    integer not null
) strict, without rowid;
