CREATE TABLE "payers" (
	"environment_id" text collate "C" NOT NULL,
	"customer_id" text collate "C" NOT NULL,
	"stripe_customer_id" text collate "C",
	"generation" integer DEFAULT 1 NOT NULL,
	"name" text,
	"email" text,
	"default_method_id" text collate "C",
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "payers_environment_id_customer_id_pk" PRIMARY KEY("environment_id","customer_id")
);
--> statement-breakpoint
CREATE TABLE "stripe_settings" (
	"environment_id" text collate "C" PRIMARY KEY NOT NULL,
	"secret_key" text NOT NULL,
	"webhook_secrets" text[] NOT NULL,
	"api_base" text,
	"changed_at" timestamp (3) with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
ALTER TABLE "payers" ADD CONSTRAINT "payers_customer" FOREIGN KEY ("environment_id","customer_id") REFERENCES "public"."customers"("environment_id","id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "stripe_settings" ADD CONSTRAINT "stripe_settings_environment_id_environments_id_fk" FOREIGN KEY ("environment_id") REFERENCES "public"."environments"("id") ON DELETE no action ON UPDATE no action;