CREATE TABLE "reconciliation" (
	"only" boolean PRIMARY KEY DEFAULT true NOT NULL,
	"pass" bigint DEFAULT 1 NOT NULL,
	"position" text collate "C" DEFAULT '' NOT NULL,
	"wallets_count" bigint DEFAULT 0 NOT NULL,
	"began_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"ended_at" timestamp (3) with time zone,
	"claimed_until" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "reconciliation_only" CHECK ("reconciliation"."only")
);
--> statement-breakpoint
ALTER TABLE "quarantine" ADD COLUMN "resolved_at" timestamp (3) with time zone;--> statement-breakpoint
ALTER TABLE "quarantine" ADD COLUMN "resolution" text;--> statement-breakpoint
ALTER TABLE "quarantine" ADD CONSTRAINT "quarantine_resolution" CHECK (num_nonnulls("quarantine"."resolved_at", "quarantine"."resolution") in (0, 2) and "quarantine"."resolution" in ('replayed', 'rejected'));