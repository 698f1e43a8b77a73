CREATE TABLE "scopes" (
	"environment_id" text collate "C" NOT NULL,
	"customer_id" text collate "C" NOT NULL,
	"no" smallint NOT NULL,
	"scope" json NOT NULL,
	CONSTRAINT "scopes_environment_id_customer_id_no_pk" PRIMARY KEY("environment_id","customer_id","no"),
	CONSTRAINT "scopes_number" CHECK ("scopes"."no" between 1 and 255)
);
--> statement-breakpoint
ALTER TABLE "accounts" DROP CONSTRAINT "accounts_overage_repaid_first";--> statement-breakpoint
ALTER TABLE "credits" ADD COLUMN "scope" smallint;--> statement-breakpoint
ALTER TABLE "entries" ADD COLUMN "grant_scope" smallint;--> statement-breakpoint
ALTER TABLE "grants" ADD COLUMN "scope" smallint DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE "scopes" ADD CONSTRAINT "scopes_customer" FOREIGN KEY ("environment_id","customer_id") REFERENCES "public"."customers"("environment_id","id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "credits" ADD CONSTRAINT "credits_scope" FOREIGN KEY ("environment_id","customer_id","scope") REFERENCES "public"."scopes"("environment_id","customer_id","no") ON DELETE no action ON UPDATE no action;