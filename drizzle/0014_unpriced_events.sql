CREATE TYPE "public"."event_status" AS ENUM('unpriced', 'charged', 'conflict');--> statement-breakpoint
CREATE TABLE "unpriced_events" (
	"no" bigint GENERATED ALWAYS AS IDENTITY (sequence name "unpriced_events_no_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1),
	"environment_id" text collate "C" NOT NULL,
	"customer_id" text collate "C" NOT NULL,
	"event_id" text collate "C" NOT NULL,
	"fingerprint" text collate "C" NOT NULL,
	"event" text NOT NULL,
	"status" "event_status" DEFAULT 'unpriced' NOT NULL,
	"charge" text,
	"received_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "unpriced_events_environment_id_customer_id_event_id_pk" PRIMARY KEY("environment_id","customer_id","event_id"),
	CONSTRAINT "unpriced_events_no" UNIQUE("environment_id","no"),
	CONSTRAINT "unpriced_events_charge" CHECK (("unpriced_events"."status" = 'charged') = ("unpriced_events"."charge" is not null))
);
--> statement-breakpoint
ALTER TABLE "unpriced_events" ADD CONSTRAINT "unpriced_events_customer" FOREIGN KEY ("environment_id","customer_id") REFERENCES "public"."customers"("environment_id","id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "unpriced_events_waiting" ON "unpriced_events" USING btree ("environment_id","no") WHERE "unpriced_events"."status" = 'unpriced';