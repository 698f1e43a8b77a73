CREATE TYPE "public"."auto_top_up_state" AS ENUM('armed', 'charging', 'requires_action', 'backing_off', 'suspended', 'capped');--> statement-breakpoint
CREATE TABLE "auto_top_ups" (
	"environment_id" text collate "C" NOT NULL,
	"customer_id" text collate "C" NOT NULL,
	"asset" integer NOT NULL,
	"is_enabled" boolean NOT NULL,
	"is_deleted" boolean DEFAULT false NOT NULL,
	"threshold" bigint NOT NULL,
	"amount" bigint,
	"target" bigint,
	"currency" text NOT NULL,
	"monthly_limit" bigint NOT NULL,
	"method_id" text collate "C",
	"return_url" text,
	"state" "auto_top_up_state" DEFAULT 'armed' NOT NULL,
	"armed_no" integer DEFAULT 1 NOT NULL,
	"crossed_no" integer DEFAULT 0 NOT NULL,
	"told_no" integer DEFAULT 0 NOT NULL,
	"crossed_at" timestamp (3) with time zone,
	"attempts_count" integer DEFAULT 0 NOT NULL,
	"top_up_id" text collate "C",
	"failures_count" integer DEFAULT 0 NOT NULL,
	"failed_method_id" text collate "C",
	"error_code" text,
	"error_message" text,
	"next_attempt_at" timestamp (3) with time zone,
	"look_at" timestamp (3) with time zone,
	"created_at" timestamp (3) with time zone DEFAULT clock_timestamp() NOT NULL,
	CONSTRAINT "auto_top_ups_environment_id_customer_id_asset_pk" PRIMARY KEY("environment_id","customer_id","asset"),
	CONSTRAINT "auto_top_ups_amounts" CHECK ("auto_top_ups"."threshold" >= 0 and ("auto_top_ups"."amount" is null) <> ("auto_top_ups"."target" is null) and "auto_top_ups"."monthly_limit" > 0)
);
--> statement-breakpoint
ALTER TABLE "top_ups" ADD COLUMN "crossing_no" integer;--> statement-breakpoint
ALTER TABLE "auto_top_ups" ADD CONSTRAINT "auto_top_ups_customer" FOREIGN KEY ("environment_id","customer_id") REFERENCES "public"."customers"("environment_id","id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "auto_top_ups" ADD CONSTRAINT "auto_top_ups_asset" FOREIGN KEY ("environment_id","asset") REFERENCES "public"."assets"("environment_id","number") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "auto_top_ups_to_look" ON "auto_top_ups" USING btree ("look_at") WHERE "auto_top_ups"."look_at" is not null;--> statement-breakpoint
CREATE INDEX "auto_top_ups_attempt" ON "auto_top_ups" USING btree ("environment_id","top_up_id");