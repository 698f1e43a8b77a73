-- By hand: drizzle-kit would drop the columns. A hold is in one asset or several: what it had of one becomes a list of one.
--
-- The tables are written anew, which no trigger of theirs sees; nothing else of an entry changes.

ALTER TABLE "entries" DROP CONSTRAINT "entries_hold";--> statement-breakpoint
ALTER TABLE "entries" RENAME COLUMN "hold_asset" TO "hold_assets";--> statement-breakpoint
ALTER TABLE "entries" RENAME COLUMN "hold_amount" TO "hold_amounts";--> statement-breakpoint
ALTER TABLE "entries"
	ALTER COLUMN "hold_assets" TYPE integer[] USING CASE WHEN "hold_ref" IS NOT NULL THEN array["hold_assets"] END,
	ALTER COLUMN "hold_amounts" TYPE bigint[] USING CASE WHEN "hold_ref" IS NOT NULL THEN array["hold_amounts"] END,
	ALTER COLUMN "hold_held" TYPE bigint[] USING CASE WHEN "hold_ref" IS NOT NULL THEN array["hold_held"] END,
	ALTER COLUMN "hold_settled" TYPE bigint[] USING CASE WHEN "hold_ref" IS NOT NULL THEN array["hold_settled"] END,
	ALTER COLUMN "hold_released" TYPE bigint[] USING CASE WHEN "hold_ref" IS NOT NULL THEN array["hold_released"] END,
	ADD COLUMN "hold_rate_nums" bigint[],
	ADD COLUMN "hold_rate_dens" bigint[];--> statement-breakpoint
-- No leg follows the first, so no rate: an empty list, where there is a hold. A new column is filled by its type's change,
-- too, since entries refuse UPDATE.
ALTER TABLE "entries"
	ALTER COLUMN "hold_rate_nums" TYPE bigint[] USING CASE WHEN "hold_ref" IS NOT NULL THEN '{}'::bigint[] END,
	ALTER COLUMN "hold_rate_dens" TYPE bigint[] USING CASE WHEN "hold_ref" IS NOT NULL THEN '{}'::bigint[] END;--> statement-breakpoint
ALTER TABLE "entries" ADD CONSTRAINT "entries_hold" CHECK (num_nonnulls("hold_ref", "hold_status", "hold_created_at", "hold_expires_at", "hold_assets", "hold_amounts", "hold_held", "hold_settled", "hold_released", "hold_rate_nums", "hold_rate_dens", "hold_source_grants", "hold_source_atoms") in (0, 13));--> statement-breakpoint
ALTER TABLE "entries" ADD CONSTRAINT "entries_hold_legs" CHECK (cardinality("hold_assets") = all (array[cardinality("hold_amounts"), cardinality("hold_held"), cardinality("hold_settled"), cardinality("hold_released"), cardinality("hold_rate_nums") + 1, cardinality("hold_rate_dens") + 1]));--> statement-breakpoint

ALTER TABLE "holds" DROP CONSTRAINT "holds_amounts";--> statement-breakpoint
ALTER TABLE "holds" DROP CONSTRAINT "holds_end";--> statement-breakpoint
ALTER TABLE "holds" RENAME COLUMN "asset" TO "assets";--> statement-breakpoint
ALTER TABLE "holds" RENAME COLUMN "amount" TO "amounts";--> statement-breakpoint
ALTER TABLE "holds"
	ALTER COLUMN "assets" TYPE integer[] USING array["assets"],
	ALTER COLUMN "amounts" TYPE bigint[] USING array["amounts"],
	ALTER COLUMN "held" TYPE bigint[] USING array["held"],
	ALTER COLUMN "settled" TYPE bigint[] USING array["settled"],
	ALTER COLUMN "released" TYPE bigint[] USING array["released"],
	ADD COLUMN "rate_nums" bigint[] DEFAULT '{}' NOT NULL,
	ADD COLUMN "rate_dens" bigint[] DEFAULT '{}' NOT NULL;--> statement-breakpoint
ALTER TABLE "holds" ALTER COLUMN "rate_nums" DROP DEFAULT, ALTER COLUMN "rate_dens" DROP DEFAULT;--> statement-breakpoint
ALTER TABLE "holds" ADD CONSTRAINT "holds_legs" CHECK (cardinality("holds"."assets") > 0 and cardinality("holds"."assets") = all (array[cardinality("holds"."amounts"), cardinality("holds"."held"), cardinality("holds"."settled"), cardinality("holds"."released"), cardinality("holds"."rate_nums") + 1, cardinality("holds"."rate_dens") + 1]));--> statement-breakpoint
ALTER TABLE "holds" ADD CONSTRAINT "holds_amounts" CHECK (0 <= all ("holds"."amounts" || "holds"."held" || "holds"."settled" || "holds"."released" || "holds"."rate_nums" || "holds"."rate_dens") and "holds"."held"[1] <= "holds"."amounts"[1]);--> statement-breakpoint
ALTER TABLE "holds" ADD CONSTRAINT "holds_end" CHECK (("holds"."status" = 'open') = ("holds"."ended_at" is null) and ("holds"."status" = 'open' or 0 = all ("holds"."held")));