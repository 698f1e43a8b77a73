CREATE TABLE "past_subscriptions" (
	"environment_id" text collate "C" NOT NULL,
	"customer_id" text collate "C" NOT NULL,
	"subscription_id" text collate "C" NOT NULL,
	"product_id" text collate "C" NOT NULL,
	"version" integer NOT NULL,
	"from_at" timestamp (3) with time zone NOT NULL,
	"till_at" timestamp (3) with time zone NOT NULL,
	CONSTRAINT "past_subscriptions_pk" PRIMARY KEY("environment_id","customer_id","subscription_id","from_at"),
	CONSTRAINT "past_subscriptions_order" CHECK ("past_subscriptions"."from_at" < "past_subscriptions"."till_at")
);
--> statement-breakpoint
ALTER TABLE "past_subscriptions" ADD CONSTRAINT "past_subscriptions_subscription" FOREIGN KEY ("environment_id","subscription_id") REFERENCES "public"."subscriptions"("environment_id","id") ON DELETE no action ON UPDATE no action;