CREATE TYPE "public"."top_up_payment" AS ENUM('checkout', 'saved');--> statement-breakpoint
CREATE TYPE "public"."top_up_status" AS ENUM('pending', 'requires_action', 'succeeded', 'failed', 'canceled', 'refunded');--> statement-breakpoint
CREATE TABLE "asset_rates" (
	"environment_id" text collate "C" NOT NULL,
	"id" text collate "C" NOT NULL,
	"asset" integer NOT NULL,
	"currency" text NOT NULL,
	"rate" text NOT NULL,
	"effective_at" timestamp (3) with time zone NOT NULL,
	"operation_id" text collate "C" NOT NULL,
	"fingerprint" text collate "C" NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT clock_timestamp() NOT NULL,
	CONSTRAINT "asset_rates_environment_id_id_pk" PRIMARY KEY("environment_id","id"),
	CONSTRAINT "asset_rates_operation" UNIQUE("environment_id","operation_id")
);
--> statement-breakpoint
CREATE TABLE "stripe_events" (
	"environment_id" text collate "C" NOT NULL,
	"id" text collate "C" NOT NULL,
	"type" text NOT NULL,
	"top_up_id" text collate "C",
	"received_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "stripe_events_environment_id_id_pk" PRIMARY KEY("environment_id","id")
);
--> statement-breakpoint
CREATE TABLE "top_ups" (
	"environment_id" text collate "C" NOT NULL,
	"id" text collate "C" NOT NULL,
	"customer_id" text collate "C" NOT NULL,
	"operation_id" text collate "C" NOT NULL,
	"fingerprint" text collate "C" NOT NULL,
	"asset" integer NOT NULL,
	"amount" bigint NOT NULL,
	"rate" text,
	"currency" text NOT NULL,
	"price" bigint NOT NULL,
	"payment" "top_up_payment" NOT NULL,
	"payer_id" text collate "C" NOT NULL,
	"method_id" text collate "C",
	"return_url" text,
	"receipt_email" text,
	"adds_tax" boolean NOT NULL,
	"expires_at" timestamp (3) with time zone,
	"metadata" json NOT NULL,
	"status" "top_up_status" DEFAULT 'pending' NOT NULL,
	"intent_id" text collate "C",
	"session_id" text collate "C",
	"checkout_url" text,
	"action_url" text,
	"failure_code" text,
	"failure_message" text,
	"failure_retryable" boolean,
	"grant_no" integer,
	"credited_at" timestamp (3) with time zone,
	"reply" text,
	"created_at" timestamp (3) with time zone DEFAULT clock_timestamp() NOT NULL,
	"asked_at" timestamp (3) with time zone,
	"look_at" timestamp (3) with time zone,
	"looks_count" integer DEFAULT 0 NOT NULL,
	CONSTRAINT "top_ups_environment_id_id_pk" PRIMARY KEY("environment_id","id"),
	CONSTRAINT "top_ups_operation" UNIQUE("environment_id","operation_id"),
	CONSTRAINT "top_ups_intent" UNIQUE("environment_id","intent_id"),
	CONSTRAINT "top_ups_session" UNIQUE("environment_id","session_id"),
	CONSTRAINT "top_ups_amount" CHECK ("top_ups"."amount" > 0 and "top_ups"."amount" <= 1000000000000000 and "top_ups"."price" > 0),
	CONSTRAINT "top_ups_granted" CHECK (("top_ups"."status" in ('succeeded', 'refunded')) = ("top_ups"."grant_no" is not null))
);
--> statement-breakpoint
ALTER TABLE "credits" ADD COLUMN "is_owed" boolean DEFAULT false NOT NULL;--> statement-breakpoint
ALTER TABLE "stripe_settings" ADD COLUMN "adds_tax" boolean DEFAULT false NOT NULL;--> statement-breakpoint
ALTER TABLE "asset_rates" ADD CONSTRAINT "asset_rates_asset" FOREIGN KEY ("environment_id","asset") REFERENCES "public"."assets"("environment_id","number") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "stripe_events" ADD CONSTRAINT "stripe_events_environment_id_environments_id_fk" FOREIGN KEY ("environment_id") REFERENCES "public"."environments"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "top_ups" ADD CONSTRAINT "top_ups_customer" FOREIGN KEY ("environment_id","customer_id") REFERENCES "public"."customers"("environment_id","id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "top_ups" ADD CONSTRAINT "top_ups_asset" FOREIGN KEY ("environment_id","asset") REFERENCES "public"."assets"("environment_id","number") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "asset_rates_effective" ON "asset_rates" USING btree ("environment_id","asset","effective_at","created_at");--> statement-breakpoint
CREATE INDEX "top_ups_newest" ON "top_ups" USING btree ("environment_id","customer_id","created_at","id");--> statement-breakpoint
CREATE INDEX "top_ups_to_look" ON "top_ups" USING btree ("look_at") WHERE "top_ups"."look_at" is not null;