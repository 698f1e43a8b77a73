CREATE TABLE "budgets" (
	"environment_id" text collate "C" NOT NULL,
	"customer_id" text collate "C" NOT NULL,
	"no" integer NOT NULL,
	"id" text collate "C" NOT NULL,
	"name" text NOT NULL,
	"asset" integer NOT NULL,
	"limit" bigint NOT NULL,
	"period" json NOT NULL,
	"match" json NOT NULL,
	"is_hard" boolean NOT NULL,
	"alert_at" text[] NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"changed_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"deleted_at" timestamp (3) with time zone,
	CONSTRAINT "budgets_environment_id_customer_id_no_pk" PRIMARY KEY("environment_id","customer_id","no"),
	CONSTRAINT "budgets_id" UNIQUE("environment_id","id"),
	CONSTRAINT "budgets_number" CHECK ("budgets"."no" between 1 and 65535),
	CONSTRAINT "budgets_limit" CHECK ("budgets"."limit" between 0 and 1000000000000000)
);
--> statement-breakpoint
ALTER TABLE "budgets" ADD CONSTRAINT "budgets_customer" FOREIGN KEY ("environment_id","customer_id") REFERENCES "public"."customers"("environment_id","id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "budgets" ADD CONSTRAINT "budgets_asset" FOREIGN KEY ("environment_id","asset") REFERENCES "public"."assets"("environment_id","number") ON DELETE no action ON UPDATE no action;