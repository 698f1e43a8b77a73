-- By hand: what drizzle-kit cannot write. A published version never changes: entries say that it priced them, customers
-- are subscribed to it, and gateways keep it for as long as they run.

CREATE FUNCTION "refuse_published_change"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION '% on %: what was published never changes', TG_OP, TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END
$$;--> statement-breakpoint

CREATE TRIGGER "refuse_published_change" BEFORE UPDATE OR DELETE ON "product_versions"
  FOR EACH ROW WHEN (OLD."status" = 'published') EXECUTE FUNCTION "refuse_published_change"();--> statement-breakpoint
CREATE TRIGGER "refuse_truncate" BEFORE TRUNCATE ON "product_versions"
  FOR EACH STATEMENT EXECUTE FUNCTION "refuse_published_change"();
