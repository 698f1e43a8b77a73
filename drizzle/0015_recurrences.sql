ALTER TYPE "public"."entry_kind" ADD VALUE 'roll_over_grant';--> statement-breakpoint
CREATE TABLE "recurrences" (
	"environment_id" text collate "C" NOT NULL,
	"id" text collate "C" NOT NULL,
	"customer_id" text collate "C" NOT NULL,
	"each" text NOT NULL,
	"time_zone" text NOT NULL,
	"anchor_at" timestamp (3) with time zone NOT NULL,
	"on_renew" text NOT NULL,
	"rollover_parts" integer,
	"rollover_most" bigint,
	"rollover_periods" integer,
	"asset" integer NOT NULL,
	"amount" bigint NOT NULL,
	"purpose" "purpose" NOT NULL,
	"priority" smallint NOT NULL,
	"scope" smallint,
	"description" text,
	"metadata" json NOT NULL,
	"next_instance" integer NOT NULL,
	"next_at" timestamp (3) with time zone NOT NULL,
	"refill_at" timestamp (3) with time zone NOT NULL,
	"canceled_at" timestamp (3) with time zone,
	"ended_at" timestamp (3) with time zone,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "recurrences_environment_id_id_pk" PRIMARY KEY("environment_id","id"),
	CONSTRAINT "recurrences_each" CHECK ("recurrences"."each" in ('hour', 'day', 'week', 'month')),
	CONSTRAINT "recurrences_on_renew" CHECK ("recurrences"."on_renew" in ('replace', 'accumulate', 'rollover')),
	CONSTRAINT "recurrences_rollover" CHECK (("recurrences"."on_renew" = 'rollover') = ("recurrences"."rollover_parts" is not null))
);
--> statement-breakpoint
ALTER TABLE "credits" ADD COLUMN "rollover_parts" integer;--> statement-breakpoint
ALTER TABLE "credits" ADD COLUMN "rollover_most" bigint;--> statement-breakpoint
ALTER TABLE "credits" ADD COLUMN "rollover_until" timestamp (3) with time zone;--> statement-breakpoint
ALTER TABLE "credits" ADD COLUMN "recurrence_id" text collate "C";--> statement-breakpoint
ALTER TABLE "credits" ADD COLUMN "instance" integer;--> statement-breakpoint
ALTER TABLE "recurrences" ADD CONSTRAINT "recurrences_customer" FOREIGN KEY ("environment_id","customer_id") REFERENCES "public"."customers"("environment_id","id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "recurrences_refill" ON "recurrences" USING btree ("refill_at") WHERE "recurrences"."canceled_at" is null;--> statement-breakpoint
CREATE INDEX "recurrences_to_end" ON "recurrences" USING btree ("canceled_at") WHERE "recurrences"."canceled_at" is not null and "recurrences"."ended_at" is null;--> statement-breakpoint
ALTER TABLE "credits" ADD CONSTRAINT "credits_recurrence" FOREIGN KEY ("environment_id","recurrence_id") REFERENCES "public"."recurrences"("environment_id","id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "credits" ADD CONSTRAINT "credits_instance" UNIQUE("environment_id","recurrence_id","instance");--> statement-breakpoint
ALTER TABLE "credits" ADD CONSTRAINT "credits_recurring" CHECK (num_nonnulls("credits"."recurrence_id", "credits"."instance") in (0, 2));--> statement-breakpoint
ALTER TABLE "credits" ADD CONSTRAINT "credits_rollover" CHECK (num_nonnulls("credits"."rollover_parts", "credits"."rollover_most") in (0, 2) and "credits"."rollover_parts" between 1 and 1000000);