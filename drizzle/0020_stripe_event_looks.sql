CREATE TABLE "event_looks" (
	"environment_id" text collate "C" PRIMARY KEY NOT NULL,
	"seen_to" timestamp (3) with time zone DEFAULT clock_timestamp() NOT NULL,
	"look_at" timestamp (3) with time zone DEFAULT clock_timestamp() NOT NULL
);
--> statement-breakpoint
ALTER TABLE "event_looks" ADD CONSTRAINT "event_looks_environment_id_environments_id_fk" FOREIGN KEY ("environment_id") REFERENCES "public"."environments"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
INSERT INTO "event_looks" ("environment_id", "seen_to") SELECT DISTINCT "environment_id", now() - interval '29 days' FROM "top_ups" WHERE "grant_no" IS NOT NULL;
