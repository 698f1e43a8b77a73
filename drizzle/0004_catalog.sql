CREATE TYPE "public"."subscription_status" AS ENUM('active', 'canceled');--> statement-breakpoint
CREATE TYPE "public"."version_status" AS ENUM('draft', 'published');--> statement-breakpoint
CREATE TABLE "product_versions" (
	"environment_id" text collate "C" NOT NULL,
	"product_id" text collate "C" NOT NULL,
	"version" integer NOT NULL,
	"status" "version_status" DEFAULT 'draft' NOT NULL,
	"prices" json NOT NULL,
	"operation_id" text collate "C" NOT NULL,
	"fingerprint" text collate "C" NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"catalog_version" bigint,
	"published_at" timestamp (3) with time zone,
	"publish_operation_id" text collate "C",
	CONSTRAINT "product_versions_environment_id_product_id_version_pk" PRIMARY KEY("environment_id","product_id","version"),
	CONSTRAINT "product_versions_catalog_version" UNIQUE("environment_id","catalog_version"),
	CONSTRAINT "product_versions_version" CHECK ("product_versions"."version" > 0),
	CONSTRAINT "product_versions_published" CHECK (num_nonnulls("product_versions"."catalog_version", "product_versions"."published_at", "product_versions"."publish_operation_id") = case "product_versions"."status" when 'published' then 3 else 0 end)
);
--> statement-breakpoint
CREATE TABLE "products" (
	"environment_id" text collate "C" NOT NULL,
	"id" text collate "C" NOT NULL,
	"name" text NOT NULL,
	"is_default" boolean NOT NULL,
	"operation_id" text collate "C" NOT NULL,
	"fingerprint" text collate "C" NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "products_environment_id_id_pk" PRIMARY KEY("environment_id","id")
);
--> statement-breakpoint
CREATE TABLE "subscriptions" (
	"environment_id" text collate "C" NOT NULL,
	"id" text collate "C" NOT NULL,
	"customer_id" text collate "C" NOT NULL,
	"product_id" text collate "C" NOT NULL,
	"version" integer NOT NULL,
	"status" "subscription_status" DEFAULT 'active' NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"changed_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"canceled_at" timestamp (3) with time zone,
	CONSTRAINT "subscriptions_environment_id_id_pk" PRIMARY KEY("environment_id","id"),
	CONSTRAINT "subscriptions_canceled" CHECK (("subscriptions"."status" = 'canceled') = ("subscriptions"."canceled_at" is not null))
);
--> statement-breakpoint
ALTER TABLE "customers" ADD COLUMN "config_version" bigint DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE "customers" ADD COLUMN "config_pushed_version" bigint DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE "environments" ADD COLUMN "catalog_version" bigint DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE "environments" ADD COLUMN "catalog_raised_version" bigint DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE "product_versions" ADD CONSTRAINT "product_versions_product" FOREIGN KEY ("environment_id","product_id") REFERENCES "public"."products"("environment_id","id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "products" ADD CONSTRAINT "products_environment_id_environments_id_fk" FOREIGN KEY ("environment_id") REFERENCES "public"."environments"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "subscriptions" ADD CONSTRAINT "subscriptions_customer" FOREIGN KEY ("environment_id","customer_id") REFERENCES "public"."customers"("environment_id","id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "subscriptions" ADD CONSTRAINT "subscriptions_version" FOREIGN KEY ("environment_id","product_id","version") REFERENCES "public"."product_versions"("environment_id","product_id","version") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "product_versions_operation" ON "product_versions" USING btree ("environment_id","operation_id");--> statement-breakpoint
CREATE INDEX "products_newest" ON "products" USING btree ("environment_id","created_at","id");--> statement-breakpoint
CREATE INDEX "products_operation" ON "products" USING btree ("environment_id","operation_id");--> statement-breakpoint
CREATE INDEX "subscriptions_newest" ON "subscriptions" USING btree ("environment_id","customer_id","created_at","id");--> statement-breakpoint
CREATE UNIQUE INDEX "subscriptions_active" ON "subscriptions" USING btree ("environment_id","customer_id","product_id") WHERE "subscriptions"."status" = 'active';--> statement-breakpoint
CREATE INDEX "customers_to_push" ON "customers" USING btree ("environment_id","id") WHERE "customers"."config_pushed_version" < "customers"."config_version";--> statement-breakpoint
CREATE INDEX "environments_to_raise" ON "environments" USING btree ("id") WHERE "environments"."catalog_raised_version" < "environments"."catalog_version";