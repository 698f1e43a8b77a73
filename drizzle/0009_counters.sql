ALTER TYPE "public"."entry_kind" ADD VALUE 'budget_alert';--> statement-breakpoint
CREATE TABLE "counters" (
	"environment_id" text collate "C" NOT NULL,
	"wallet_id" text collate "C" NOT NULL,
	"name" text collate "C" NOT NULL,
	"packed" "bytea" NOT NULL,
	CONSTRAINT "counters_environment_id_wallet_id_name_pk" PRIMARY KEY("environment_id","wallet_id","name")
);
--> statement-breakpoint
ALTER TABLE "entries" ADD COLUMN "hold_tags" "bytea";--> statement-breakpoint
ALTER TABLE "entries" ADD COLUMN "counter_names" text[];--> statement-breakpoint
ALTER TABLE "entries" ADD COLUMN "counter_states" "bytea"[];--> statement-breakpoint
ALTER TABLE "holds" ADD COLUMN "tags" "bytea" DEFAULT ''::bytea NOT NULL;--> statement-breakpoint
ALTER TABLE "counters" ADD CONSTRAINT "counters_wallet" FOREIGN KEY ("environment_id","wallet_id") REFERENCES "public"."wallets"("environment_id","wallet_id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "entries" ADD CONSTRAINT "entries_counters" CHECK (cardinality("counter_names") = cardinality("counter_states"));