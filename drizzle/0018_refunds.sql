CREATE TYPE "public"."refund_origin" AS ENUM('request', 'stripe', 'dispute');--> statement-breakpoint
CREATE TYPE "public"."refund_outcome" AS ENUM('taken', 'returned', 'restored');--> statement-breakpoint
ALTER TYPE "public"."entry_kind" ADD VALUE 'refund';--> statement-breakpoint
ALTER TYPE "public"."ledger_account" ADD VALUE 'refunded';--> statement-breakpoint
CREATE TABLE "refunds" (
	"environment_id" text collate "C" NOT NULL,
	"id" text collate "C" NOT NULL,
	"top_up_id" text collate "C" NOT NULL,
	"customer_id" text collate "C" NOT NULL,
	"origin" "refund_origin" NOT NULL,
	"operation_id" text collate "C",
	"fingerprint" text collate "C",
	"asset" integer NOT NULL,
	"amount" bigint NOT NULL,
	"money" bigint NOT NULL,
	"stripe_id" text collate "C",
	"attempts_count" integer DEFAULT 0 NOT NULL,
	"held_at" timestamp (3) with time zone,
	"asked_at" timestamp (3) with time zone,
	"outcome" "refund_outcome",
	"failure_code" text,
	"failure_message" text,
	"ended_at" timestamp (3) with time zone,
	"restored_grant_no" integer,
	"reply" text,
	"created_at" timestamp (3) with time zone DEFAULT clock_timestamp() NOT NULL,
	CONSTRAINT "refunds_environment_id_id_pk" PRIMARY KEY("environment_id","id"),
	CONSTRAINT "refunds_operation" UNIQUE("environment_id","operation_id"),
	CONSTRAINT "refunds_stripe" UNIQUE("environment_id","stripe_id"),
	CONSTRAINT "refunds_amount" CHECK ("refunds"."amount" >= 0 and "refunds"."amount" <= 1000000000000000 and "refunds"."money" > 0),
	CONSTRAINT "refunds_ended" CHECK ("refunds"."ended_at" is null or "refunds"."outcome" is not null),
	CONSTRAINT "refunds_restored" CHECK (("refunds"."outcome" = 'restored') = ("refunds"."restored_grant_no" is not null))
);
--> statement-breakpoint
ALTER TABLE "environment_accounts" DROP CONSTRAINT "environment_accounts_sign";--> statement-breakpoint
ALTER TABLE "auto_top_ups" ADD COLUMN "put_at" timestamp (3) with time zone DEFAULT clock_timestamp() NOT NULL;--> statement-breakpoint
ALTER TABLE "top_ups" ADD COLUMN "paid" bigint;--> statement-breakpoint
ALTER TABLE "top_ups" ADD COLUMN "refunds_look_at" timestamp (3) with time zone;--> statement-breakpoint
ALTER TABLE "top_ups" ADD COLUMN "refunds_looks_count" integer DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE "refunds" ADD CONSTRAINT "refunds_of_top_up" FOREIGN KEY ("environment_id","top_up_id") REFERENCES "public"."top_ups"("environment_id","id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "refunds_top_up" ON "refunds" USING btree ("environment_id","top_up_id");--> statement-breakpoint
CREATE INDEX "refunds_customer" ON "refunds" USING btree ("environment_id","customer_id","created_at");--> statement-breakpoint
CREATE INDEX "top_ups_refunds_to_look" ON "top_ups" USING btree ("refunds_look_at") WHERE "top_ups"."refunds_look_at" is not null;--> statement-breakpoint
ALTER TABLE "environment_accounts" ADD CONSTRAINT "environment_accounts_sign" CHECK (case when "environment_accounts"."account" in ('funding:promotional', 'funding:bundled', 'funding:paid') then "environment_accounts"."balance" <= 0 else "environment_accounts"."balance" >= 0 end);