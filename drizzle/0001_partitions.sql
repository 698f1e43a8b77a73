-- By hand: what drizzle-kit cannot write. `entries` and `transfers` become partitioned by month and refuse every change.
--
-- An entry lies in the month that it says it happened in, so that a month can be archived as a whole and a list by
-- time reads few tables. The default partition takes what no month was made for: nothing is refused for its date.
-- Months are made ahead by `make_ledger_partitions`, at every migration and by the worker.

ALTER TABLE "entries" RENAME TO "entries_plain";--> statement-breakpoint
CREATE TABLE "entries" (LIKE "entries_plain" INCLUDING ALL) PARTITION BY RANGE ("occurred_at");--> statement-breakpoint
DROP TABLE "entries_plain";--> statement-breakpoint
ALTER INDEX "entries_pkey" RENAME TO "entries_environment_id_wallet_id_version_occurred_at_pk";--> statement-breakpoint
ALTER INDEX "entries_environment_id_operation_id_idx" RENAME TO "entries_operation";--> statement-breakpoint

ALTER TABLE "transfers" RENAME TO "transfers_plain";--> statement-breakpoint
CREATE TABLE "transfers" (LIKE "transfers_plain" INCLUDING ALL) PARTITION BY RANGE ("occurred_at");--> statement-breakpoint
DROP TABLE "transfers_plain";--> statement-breakpoint
ALTER INDEX "transfers_pkey" RENAME TO "transfers_environment_id_wallet_id_version_no_occurred_at_pk";--> statement-breakpoint

CREATE FUNCTION "refuse_change"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION '% on %: the ledger is only ever added to', TG_OP, TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END
$$;--> statement-breakpoint

-- Row triggers are copied to every partition, those for TRUNCATE are not: each partition gets its own.
CREATE TRIGGER "refuse_change" BEFORE UPDATE OR DELETE ON "entries" FOR EACH ROW EXECUTE FUNCTION "refuse_change"();--> statement-breakpoint
CREATE TRIGGER "refuse_change" BEFORE UPDATE OR DELETE ON "transfers" FOR EACH ROW EXECUTE FUNCTION "refuse_change"();--> statement-breakpoint
CREATE TRIGGER "refuse_truncate" BEFORE TRUNCATE ON "entries" FOR EACH STATEMENT EXECUTE FUNCTION "refuse_change"();--> statement-breakpoint
CREATE TRIGGER "refuse_truncate" BEFORE TRUNCATE ON "transfers" FOR EACH STATEMENT EXECUTE FUNCTION "refuse_change"();--> statement-breakpoint

CREATE TABLE "entries_default" PARTITION OF "entries" DEFAULT;--> statement-breakpoint
CREATE TABLE "transfers_default" PARTITION OF "transfers" DEFAULT;--> statement-breakpoint
CREATE TRIGGER "refuse_truncate" BEFORE TRUNCATE ON "entries_default" FOR EACH STATEMENT EXECUTE FUNCTION "refuse_change"();--> statement-breakpoint
CREATE TRIGGER "refuse_truncate" BEFORE TRUNCATE ON "transfers_default" FOR EACH STATEMENT EXECUTE FUNCTION "refuse_change"();--> statement-breakpoint

-- Makes the partitions of `months` months from the one that `since` lies in (UTC); returns how many were missing.
CREATE FUNCTION "make_ledger_partitions"(since timestamptz, months integer) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
  month timestamp;
  parent text;
  child text;
  made integer := 0;
BEGIN
  FOR month_no IN 0 .. months - 1 LOOP
    month := date_trunc('month', since AT TIME ZONE 'UTC') + make_interval(months => month_no);
    FOREACH parent IN ARRAY ARRAY['entries', 'transfers'] LOOP
      child := parent || '_' || to_char(month, 'YYYY_MM');
      CONTINUE WHEN to_regclass(child) IS NOT NULL;
      BEGIN
        EXECUTE format(
          'CREATE TABLE %I PARTITION OF %I FOR VALUES FROM (%L) TO (%L)',
          child, parent, month AT TIME ZONE 'UTC', (month + interval '1 month') AT TIME ZONE 'UTC'
        );
        EXECUTE format(
          'CREATE TRIGGER refuse_truncate BEFORE TRUNCATE ON %I FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()', child
        );
        made := made + 1;
      EXCEPTION
        WHEN check_violation THEN
          RAISE WARNING '% is not made: the default partition has rows of that month already, and keeps them', child;
        WHEN duplicate_table THEN
          NULL; -- another process was faster
      END;
    END LOOP;
  END LOOP;
  RETURN made;
END
$$;--> statement-breakpoint

-- Rows that every batch updates: room in their pages keeps an update from touching indexes.
ALTER TABLE "partitions" SET (fillfactor = 50);--> statement-breakpoint
ALTER TABLE "wallets" SET (fillfactor = 70);--> statement-breakpoint
ALTER TABLE "accounts" SET (fillfactor = 70);--> statement-breakpoint
ALTER TABLE "grants" SET (fillfactor = 70);--> statement-breakpoint
ALTER TABLE "environment_accounts" SET (fillfactor = 50);
