-- Layout 1. Everything lives in the schema `hearth` of one database.

CREATE SCHEMA hearth;

-- The id tells databases apart: a data directory belongs to one.
CREATE TABLE hearth.layout (version integer NOT NULL, id uuid NOT NULL DEFAULT gen_random_uuid());
INSERT INTO hearth.layout (version) VALUES (1);

-- The one server that may write, when only one may, and what became of its last batch that changed anything: after a
-- lost connection it reads that here.
CREATE TABLE hearth.owner (
    one         boolean    NOT NULL PRIMARY KEY DEFAULT true CHECK (one),
    epoch       bigint     NOT NULL DEFAULT 0,
    name        text       NOT NULL DEFAULT '',
    batch       bigint,
    refusals    smallint[],
    revisions   bigint[]
) WITH (fillfactor = 50);
INSERT INTO hearth.owner DEFAULT VALUES;

-- One for all shards, so that a version is never used twice, whichever shard a key belongs to in its lives. A value is
-- taken while its shard's row is locked: within a shard revisions grow in the order of commits.
CREATE SEQUENCE hearth.revision;

CREATE TABLE hearth.shard (
    name          bytea  NOT NULL PRIMARY KEY,
    id            bigint NOT NULL UNIQUE GENERATED ALWAYS AS IDENTITY,
    epoch         bigint NOT NULL DEFAULT 0,
    owner         text   NOT NULL DEFAULT '',
    expires_at_ms bigint NOT NULL DEFAULT 0,
    revision      bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 50);

-- bytea sorts by its bytes, as keys do. `seal` is the checksum of key and value, with shard and version laid over it.
-- Records come and go as messages do: dead rows are cleared away long before they are a fifth of the table.
CREATE TABLE hearth.entry (
    key     bytea  NOT NULL PRIMARY KEY,
    shard   bigint NOT NULL,
    version bigint NOT NULL,
    seal    bigint NOT NULL,
    value   bytea  NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000);

CREATE FUNCTION hearth.seal(crc bigint, shard bigint, version bigint) RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$ SELECT crc # version # (shard << 32) $$;

-- Many requests in one transaction and one round trip. Each is all or nothing and is refused alone; no two of them
-- touch the same key, except both only to check it.
--
-- The order is what makes it right: the shards' rows are locked first, and keys are read in later statements, which see
-- all that whoever held the locks before has committed. Reading in the same statement would see older rows.
--
--   server_epoch       of the one server that may write; NULL when several share the database
--   batch              its number, to find it again
--   shards             each once, sorted
--   request_shards     for each request: its shard (from 1), the epoch it was made under, whether it changes anything
--   touch_requests     for each key of a request: the request (from 1), the version it must have (0: absent, NULL: any),
--                      and what is done (0: nothing, 1: put, 2: delete)
--   refusals           for each request: 0 done, 1 fenced, 2 a precondition does not hold, 3 a key of another shard
--   revisions          for each request: its own, or its shard's when it changed nothing
CREATE FUNCTION hearth.apply(
    server_epoch bigint, batch bigint, shards bytea[],
    request_shards integer[], request_epochs bigint[], request_changes boolean[],
    touch_requests integer[], touch_keys bytea[], touch_versions bigint[], touch_actions smallint[],
    touch_values bytea[], touch_crcs bigint[],
    OUT refusals smallint[], OUT revisions bigint[]
)
LANGUAGE plpgsql
-- The planner does not know how few rows an array has; every row here is found by its key.
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_hashjoin = off SET enable_mergejoin = off
AS $$
DECLARE
    ids      bigint[];
    epochs   bigint[];
    latest   bigint[];
    moved    boolean[] := array_fill(false, ARRAY[cardinality(shards)]);
    bad      record;
    at       integer;
    wanted   bigint;
    written  bigint;
BEGIN
    IF server_epoch IS NOT NULL THEN
        PERFORM FROM hearth.owner o WHERE o.epoch = server_epoch FOR NO KEY UPDATE;
        IF NOT FOUND THEN
            RAISE EXCEPTION 'another server has taken over this database' USING ERRCODE = 'HRT01';
        END IF;
    END IF;

    FOR attempt IN 1..2 LOOP
        SELECT array_agg(l.id ORDER BY l.at), array_agg(l.epoch ORDER BY l.at), array_agg(l.revision ORDER BY l.at)
          INTO ids, epochs, latest
          FROM (SELECT n.at, s.id, s.epoch, s.revision
                  FROM unnest(shards) WITH ORDINALITY n(name, at) JOIN hearth.shard s ON s.name = n.name
                 ORDER BY n.at FOR NO KEY UPDATE OF s) l;
        EXIT WHEN cardinality(ids) = cardinality(shards);
        INSERT INTO hearth.shard (name) SELECT n.name FROM unnest(shards) n(name) ORDER BY n.name
            ON CONFLICT (name) DO NOTHING;
    END LOOP;

    refusals := array_fill(0::smallint, ARRAY[cardinality(request_shards)]);
    FOR bad IN
        SELECT t.request, max(CASE WHEN e.shard <> ids[request_shards[t.request]] THEN 3 ELSE 2 END) AS refusal
          FROM unnest(touch_requests, touch_keys, touch_versions) t(request, key, version)
          LEFT JOIN hearth.entry e ON e.key = t.key
         WHERE e.shard <> ids[request_shards[t.request]] OR coalesce(e.version, 0) <> t.version
         GROUP BY t.request
    LOOP
        refusals[bad.request] := bad.refusal;
    END LOOP;

    revisions := array_fill(0::bigint, ARRAY[cardinality(request_shards)]);
    FOR request IN 1..cardinality(request_shards) LOOP
        at := request_shards[request];
        IF epochs[at] <> request_epochs[request] THEN
            refusals[request] := 1;
        ELSIF refusals[request] = 0 AND request_changes[request] THEN
            latest[at] := nextval('hearth.revision');
            moved[at] := true;
        END IF;
        revisions[request] := latest[at];
    END LOOP;
    IF NOT (true = ANY (moved)) THEN
        RETURN;
    END IF;

    SELECT count(*) INTO wanted FROM unnest(touch_requests, touch_actions) t(request, action)
     WHERE t.action = 1 AND refusals[t.request] = 0;
    INSERT INTO hearth.entry AS e (key, shard, version, seal, value)
    SELECT t.key, ids[request_shards[t.request]], revisions[t.request],
           hearth.seal(t.crc, ids[request_shards[t.request]], revisions[t.request]), t.value
      FROM unnest(touch_requests, touch_keys, touch_actions, touch_values, touch_crcs)
           t(request, key, action, value, crc)
     WHERE t.action = 1 AND refusals[t.request] = 0
        ON CONFLICT (key) DO UPDATE SET version = excluded.version, seal = excluded.seal, value = excluded.value
     WHERE e.shard = excluded.shard;
    GET DIAGNOSTICS written = ROW_COUNT;
    IF written <> wanted THEN
        -- Another shard made the same key since it was read as absent. The next attempt sees it.
        RAISE EXCEPTION 'a key has become one of another shard' USING ERRCODE = 'HRT02';
    END IF;

    DELETE FROM hearth.entry e
     USING unnest(touch_requests, touch_keys, touch_actions) t(request, key, action)
     WHERE e.key = t.key AND e.shard = ids[request_shards[t.request]] AND t.action = 2 AND refusals[t.request] = 0;

    UPDATE hearth.shard s SET revision = latest[n.at]
      FROM unnest(shards) WITH ORDINALITY n(name, at) WHERE s.name = n.name AND moved[n.at];
    IF server_epoch IS NOT NULL THEN
        UPDATE hearth.owner o SET batch = apply.batch, refusals = apply.refusals, revisions = apply.revisions;
    END IF;
END
$$;

-- Makes `new_owner` the owner of a shard until then, and answers the shard's epoch.
CREATE FUNCTION hearth.lease(server_epoch bigint, shard_name bytea, new_owner text, now_ms bigint, until_ms bigint)
RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    answer bigint;
BEGIN
    IF server_epoch IS NOT NULL THEN
        PERFORM FROM hearth.owner o WHERE o.epoch = server_epoch FOR NO KEY UPDATE;
        IF NOT FOUND THEN
            RAISE EXCEPTION 'another server has taken over this database' USING ERRCODE = 'HRT01';
        END IF;
    END IF;
    INSERT INTO hearth.shard (name) VALUES (shard_name) ON CONFLICT (name) DO NOTHING;
    UPDATE hearth.shard s
       SET epoch = CASE WHEN s.epoch = 0 OR s.owner <> new_owner OR now_ms >= s.expires_at_ms
                        THEN s.epoch + 1 ELSE s.epoch END,
           owner = new_owner,
           expires_at_ms = until_ms
     WHERE s.name = shard_name
    RETURNING s.epoch INTO answer;
    RETURN answer;
END
$$;
