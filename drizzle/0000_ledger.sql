CREATE TYPE "public"."credit_state" AS ENUM('pending', 'refused', 'applied');--> statement-breakpoint
CREATE TYPE "public"."entry_kind" AS ENUM('grant', 'schedule_grant', 'activate_grant', 'hold', 'extend', 'settle', 'release', 'expire_hold', 'charge', 'expire_grant', 'void_grant', 'freeze', 'unfreeze');--> statement-breakpoint
CREATE TYPE "public"."environment_mode" AS ENUM('test', 'live');--> statement-breakpoint
CREATE TYPE "public"."freeze_reason" AS ENUM('none', 'operator', 'reconcile', 'quarantine', 'dispute');--> statement-breakpoint
CREATE TYPE "public"."grant_state" AS ENUM('scheduled', 'active', 'expired', 'voided', 'spent');--> statement-breakpoint
CREATE TYPE "public"."hold_status" AS ENUM('open', 'settled', 'released', 'expired');--> statement-breakpoint
CREATE TYPE "public"."ledger_account" AS ENUM('available', 'held', 'overage', 'funding:promotional', 'funding:bundled', 'funding:paid', 'revenue', 'expired', 'voided');--> statement-breakpoint
CREATE TYPE "public"."purpose" AS ENUM('promotional', 'bundled', 'paid');--> statement-breakpoint
CREATE TABLE "accounts" (
	"environment_id" text collate "C" NOT NULL,
	"wallet_id" text collate "C" NOT NULL,
	"asset" integer NOT NULL,
	"available" bigint NOT NULL,
	"held" bigint NOT NULL,
	"overage" bigint NOT NULL,
	"scheduled" bigint NOT NULL,
	CONSTRAINT "accounts_environment_id_wallet_id_asset_pk" PRIMARY KEY("environment_id","wallet_id","asset"),
	CONSTRAINT "accounts_not_negative" CHECK ("accounts"."available" >= 0 and "accounts"."held" >= 0 and "accounts"."overage" >= 0 and "accounts"."scheduled" >= 0),
	CONSTRAINT "accounts_within_limit" CHECK ("accounts"."available" + "accounts"."held" <= 4503599627370496 and "accounts"."overage" <= 4503599627370496),
	CONSTRAINT "accounts_overage_repaid_first" CHECK ("accounts"."overage" = 0 or "accounts"."available" = 0)
);
--> statement-breakpoint
CREATE TABLE "assets" (
	"environment_id" text collate "C" NOT NULL,
	"number" integer NOT NULL,
	"code" text collate "C" NOT NULL,
	"name" text NOT NULL,
	"scale" smallint NOT NULL,
	"kind" text NOT NULL,
	"operation_id" text collate "C",
	"fingerprint" text collate "C",
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "assets_environment_id_number_pk" PRIMARY KEY("environment_id","number"),
	CONSTRAINT "assets_code" UNIQUE("environment_id","code"),
	CONSTRAINT "assets_number" CHECK ("assets"."number" between 1 and 65535),
	CONSTRAINT "assets_scale" CHECK ("assets"."scale" between 0 and 9),
	CONSTRAINT "assets_kind" CHECK ("assets"."kind" in ('fiat', 'custom'))
);
--> statement-breakpoint
CREATE TABLE "credits" (
	"environment_id" text collate "C" NOT NULL,
	"wallet_id" text collate "C" NOT NULL,
	"grant_no" integer NOT NULL,
	"customer_id" text collate "C" NOT NULL,
	"operation_id" text collate "C" NOT NULL,
	"fingerprint" text collate "C" NOT NULL,
	"state" "credit_state" DEFAULT 'pending' NOT NULL,
	"asset" integer NOT NULL,
	"amount" bigint NOT NULL,
	"purpose" "purpose" NOT NULL,
	"priority" smallint NOT NULL,
	"effective_at" timestamp (3) with time zone,
	"expires_at" timestamp (3) with time zone,
	"description" text,
	"metadata" json NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"attempted_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "credits_environment_id_wallet_id_grant_no_pk" PRIMARY KEY("environment_id","wallet_id","grant_no"),
	CONSTRAINT "credits_operation" UNIQUE("environment_id","operation_id"),
	CONSTRAINT "credits_amount" CHECK ("credits"."amount" > 0 and "credits"."amount" <= 1000000000000000),
	CONSTRAINT "credits_priority" CHECK ("credits"."priority" between 0 and 100),
	CONSTRAINT "credits_grant_no" CHECK ("credits"."grant_no" > 0)
);
--> statement-breakpoint
CREATE TABLE "customers" (
	"environment_id" text collate "C" NOT NULL,
	"id" text collate "C" NOT NULL,
	"wallet_id" text collate "C" NOT NULL,
	"name" text,
	"email" text,
	"metadata" json NOT NULL,
	"grants_count" integer DEFAULT 0 NOT NULL,
	"operation_id" text collate "C" NOT NULL,
	"fingerprint" text collate "C" NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "customers_environment_id_id_pk" PRIMARY KEY("environment_id","id")
);
--> statement-breakpoint
CREATE TABLE "entries" (
	"environment_id" text collate "C" NOT NULL,
	"wallet_id" text collate "C" NOT NULL,
	"version" bigint NOT NULL,
	"occurred_at" timestamp (3) with time zone NOT NULL,
	"partition" smallint NOT NULL,
	"epoch" integer NOT NULL,
	"seq" bigint NOT NULL,
	"kind" "entry_kind" NOT NULL,
	"late" boolean NOT NULL,
	"freeze_reason" "freeze_reason" NOT NULL,
	"assets" integer[] NOT NULL,
	"amounts" bigint[] NOT NULL,
	"available_after" bigint[] NOT NULL,
	"held_after" bigint[] NOT NULL,
	"overage_after" bigint[] NOT NULL,
	"scheduled_after" bigint[] NOT NULL,
	"move_grants" integer[] NOT NULL,
	"move_remaining" bigint[] NOT NULL,
	"move_held" bigint[] NOT NULL,
	"grant_no" integer,
	"grant_state" "grant_state",
	"grant_purpose" "purpose",
	"grant_priority" smallint,
	"grant_scoped" boolean,
	"grant_asset" integer,
	"grant_amount" bigint,
	"grant_effective_at" timestamp (3) with time zone,
	"grant_expires_at" timestamp (3) with time zone,
	"grant_created_at" timestamp (3) with time zone,
	"hold_ref" text collate "C",
	"hold_status" "hold_status",
	"hold_asset" integer,
	"hold_amount" bigint,
	"hold_held" bigint,
	"hold_settled" bigint,
	"hold_released" bigint,
	"hold_created_at" timestamp (3) with time zone,
	"hold_expires_at" timestamp (3) with time zone,
	"hold_source_grants" integer[],
	"hold_source_atoms" bigint[],
	"operation_id" text collate "C",
	"fingerprint" text collate "C",
	"reply" "bytea",
	"attached" text,
	CONSTRAINT "entries_environment_id_wallet_id_version_occurred_at_pk" PRIMARY KEY("environment_id","wallet_id","version","occurred_at"),
	CONSTRAINT "entries_number" CHECK ("entries"."version" > 0 and "entries"."epoch" > 0 and "entries"."seq" > 0),
	CONSTRAINT "entries_legs" CHECK (cardinality("entries"."assets") = all (array[cardinality("entries"."amounts"), cardinality("entries"."available_after"), cardinality("entries"."held_after"), cardinality("entries"."overage_after"), cardinality("entries"."scheduled_after")])),
	CONSTRAINT "entries_balances" CHECK (0 <= all ("entries"."available_after" || "entries"."held_after" || "entries"."overage_after" || "entries"."scheduled_after")),
	CONSTRAINT "entries_moves" CHECK (cardinality("entries"."move_grants") = all (array[cardinality("entries"."move_remaining"), cardinality("entries"."move_held")]) and 0 <= all ("entries"."move_remaining" || "entries"."move_held")),
	CONSTRAINT "entries_grant" CHECK (num_nonnulls("entries"."grant_no", "entries"."grant_state", "entries"."grant_purpose", "entries"."grant_priority", "entries"."grant_scoped", "entries"."grant_asset", "entries"."grant_amount", "entries"."grant_effective_at", "entries"."grant_created_at") in (0, 9)),
	CONSTRAINT "entries_hold" CHECK (num_nonnulls("entries"."hold_ref", "entries"."hold_status", "entries"."hold_asset", "entries"."hold_amount", "entries"."hold_held", "entries"."hold_settled", "entries"."hold_released", "entries"."hold_created_at", "entries"."hold_expires_at", "entries"."hold_source_grants", "entries"."hold_source_atoms") in (0, 11)),
	CONSTRAINT "entries_operation" CHECK (num_nonnulls("entries"."operation_id", "entries"."fingerprint", "entries"."reply", "entries"."attached") in (0, 4))
);
--> statement-breakpoint
CREATE TABLE "environment_accounts" (
	"environment_id" text collate "C" NOT NULL,
	"asset" integer NOT NULL,
	"account" "ledger_account" NOT NULL,
	"partition" smallint NOT NULL,
	"balance" bigint NOT NULL,
	CONSTRAINT "environment_accounts_environment_id_asset_account_partition_pk" PRIMARY KEY("environment_id","asset","account","partition"),
	CONSTRAINT "environment_accounts_account" CHECK ("environment_accounts"."account" not in ('available', 'held', 'overage')),
	CONSTRAINT "environment_accounts_sign" CHECK (case when "environment_accounts"."account" in ('revenue', 'expired', 'voided') then "environment_accounts"."balance" >= 0 else "environment_accounts"."balance" <= 0 end)
);
--> statement-breakpoint
CREATE TABLE "environments" (
	"id" text collate "C" PRIMARY KEY NOT NULL,
	"name" text NOT NULL,
	"mode" "environment_mode" NOT NULL,
	"is_default" boolean DEFAULT false NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "environments_id" CHECK ("environments"."id" ~ '^[a-z0-9]{12}$')
);
--> statement-breakpoint
CREATE TABLE "epochs" (
	"partition" smallint NOT NULL,
	"epoch" integer NOT NULL,
	"run_id" text,
	"replication_id" text,
	"opened_at" timestamp (3) with time zone,
	"sealed_at" timestamp (3) with time zone,
	CONSTRAINT "epochs_partition_epoch_pk" PRIMARY KEY("partition","epoch")
);
--> statement-breakpoint
CREATE TABLE "grants" (
	"environment_id" text collate "C" NOT NULL,
	"wallet_id" text collate "C" NOT NULL,
	"grant_no" integer NOT NULL,
	"state" "grant_state" NOT NULL,
	"purpose" "purpose" NOT NULL,
	"priority" smallint NOT NULL,
	"scoped" boolean NOT NULL,
	"asset" integer NOT NULL,
	"amount" bigint NOT NULL,
	"remaining" bigint NOT NULL,
	"held" bigint NOT NULL,
	"effective_at" timestamp (3) with time zone NOT NULL,
	"expires_at" timestamp (3) with time zone,
	"created_at" timestamp (3) with time zone NOT NULL,
	CONSTRAINT "grants_environment_id_wallet_id_grant_no_pk" PRIMARY KEY("environment_id","wallet_id","grant_no"),
	CONSTRAINT "grants_amount" CHECK ("grants"."amount" > 0 and "grants"."amount" <= 1000000000000000),
	CONSTRAINT "grants_left" CHECK ("grants"."remaining" >= 0 and "grants"."held" >= 0 and "grants"."remaining" + "grants"."held" <= "grants"."amount"),
	CONSTRAINT "grants_idle" CHECK ("grants"."state" not in ('scheduled', 'spent') or ("grants"."remaining" = 0 and "grants"."held" = 0)),
	CONSTRAINT "grants_priority" CHECK ("grants"."priority" between 0 and 100)
);
--> statement-breakpoint
CREATE TABLE "holds" (
	"environment_id" text collate "C" NOT NULL,
	"wallet_id" text collate "C" NOT NULL,
	"ref" text collate "C" NOT NULL,
	"partition" smallint NOT NULL,
	"status" "hold_status" NOT NULL,
	"late" boolean NOT NULL,
	"asset" integer NOT NULL,
	"amount" bigint NOT NULL,
	"held" bigint NOT NULL,
	"settled" bigint NOT NULL,
	"released" bigint NOT NULL,
	"created_at" timestamp (3) with time zone NOT NULL,
	"expires_at" timestamp (3) with time zone NOT NULL,
	"ended_at" timestamp (3) with time zone,
	"source_grants" integer[] NOT NULL,
	"source_atoms" bigint[] NOT NULL,
	CONSTRAINT "holds_environment_id_wallet_id_ref_pk" PRIMARY KEY("environment_id","wallet_id","ref"),
	CONSTRAINT "holds_amounts" CHECK ("holds"."amount" >= 0 and "holds"."held" >= 0 and "holds"."settled" >= 0 and "holds"."released" >= 0 and "holds"."held" <= "holds"."amount"),
	CONSTRAINT "holds_end" CHECK (("holds"."status" = 'open') = ("holds"."ended_at" is null) and ("holds"."status" = 'open' or "holds"."held" = 0)),
	CONSTRAINT "holds_late" CHECK (not "holds"."late" or "holds"."status" = 'settled'),
	CONSTRAINT "holds_sources" CHECK (cardinality("holds"."source_grants") = cardinality("holds"."source_atoms") and 0 < all ("holds"."source_atoms"))
);
--> statement-breakpoint
CREATE TABLE "installation" (
	"only" boolean PRIMARY KEY DEFAULT true NOT NULL,
	"id" uuid DEFAULT gen_random_uuid() NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "installation_only" CHECK ("installation"."only")
);
--> statement-breakpoint
CREATE TABLE "keys" (
	"environment_id" text collate "C" NOT NULL,
	"id" text collate "C" NOT NULL,
	"hash" text collate "C" NOT NULL,
	"name" text NOT NULL,
	"scopes" text[] NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"expires_at" timestamp (3) with time zone,
	"revoked_at" timestamp (3) with time zone,
	CONSTRAINT "keys_environment_id_id_pk" PRIMARY KEY("environment_id","id"),
	CONSTRAINT "keys_hash" UNIQUE("hash")
);
--> statement-breakpoint
CREATE TABLE "partitions" (
	"partition" smallint PRIMARY KEY NOT NULL,
	"epoch" integer NOT NULL,
	"seq" bigint DEFAULT 0 NOT NULL,
	"clock_ms" bigint DEFAULT 0 NOT NULL,
	"opened_at" timestamp (3) with time zone,
	CONSTRAINT "partitions_number" CHECK ("partitions"."partition" between 0 and 255),
	CONSTRAINT "partitions_forward" CHECK ("partitions"."epoch" > 0 and "partitions"."seq" >= 0 and "partitions"."clock_ms" >= 0)
);
--> statement-breakpoint
CREATE TABLE "quarantine" (
	"id" bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY (sequence name "quarantine_id_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1),
	"partition" smallint NOT NULL,
	"epoch" integer NOT NULL,
	"seq" bigint NOT NULL,
	"raw" "bytea" NOT NULL,
	"reason" text NOT NULL,
	"at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"environment_id" text collate "C",
	"wallet_id" text collate "C",
	"version" bigint
);
--> statement-breakpoint
CREATE TABLE "replies" (
	"environment_id" text collate "C" NOT NULL,
	"operation_id" text collate "C" NOT NULL,
	"fingerprint" text collate "C" NOT NULL,
	"reply" text NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "replies_environment_id_operation_id_pk" PRIMARY KEY("environment_id","operation_id")
);
--> statement-breakpoint
CREATE TABLE "transfers" (
	"environment_id" text collate "C" NOT NULL,
	"wallet_id" text collate "C" NOT NULL,
	"version" bigint NOT NULL,
	"no" smallint NOT NULL,
	"occurred_at" timestamp (3) with time zone NOT NULL,
	"asset" integer NOT NULL,
	"debit" "ledger_account" NOT NULL,
	"credit" "ledger_account" NOT NULL,
	"amount" bigint NOT NULL,
	CONSTRAINT "transfers_environment_id_wallet_id_version_no_occurred_at_pk" PRIMARY KEY("environment_id","wallet_id","version","no","occurred_at"),
	CONSTRAINT "transfers_amount" CHECK ("transfers"."amount" > 0),
	CONSTRAINT "transfers_between" CHECK ("transfers"."debit" <> "transfers"."credit")
);
--> statement-breakpoint
CREATE TABLE "wallets" (
	"environment_id" text collate "C" NOT NULL,
	"wallet_id" text collate "C" NOT NULL,
	"customer_id" text collate "C" NOT NULL,
	"partition" smallint NOT NULL,
	"version" bigint DEFAULT 0 NOT NULL,
	"freeze_reason" "freeze_reason" DEFAULT 'none' NOT NULL,
	"quarantined_at" timestamp (3) with time zone,
	"quarantine_frozen_at" timestamp (3) with time zone,
	CONSTRAINT "wallets_environment_id_wallet_id_pk" PRIMARY KEY("environment_id","wallet_id"),
	CONSTRAINT "wallets_wallet" UNIQUE("wallet_id"),
	CONSTRAINT "wallets_version" CHECK ("wallets"."version" >= 0),
	CONSTRAINT "wallets_partition" CHECK ("wallets"."partition" between 0 and 255)
);
--> statement-breakpoint
ALTER TABLE "accounts" ADD CONSTRAINT "accounts_wallet" FOREIGN KEY ("environment_id","wallet_id") REFERENCES "public"."wallets"("environment_id","wallet_id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "accounts" ADD CONSTRAINT "accounts_asset" FOREIGN KEY ("environment_id","asset") REFERENCES "public"."assets"("environment_id","number") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "assets" ADD CONSTRAINT "assets_environment_id_environments_id_fk" FOREIGN KEY ("environment_id") REFERENCES "public"."environments"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "credits" ADD CONSTRAINT "credits_customer" FOREIGN KEY ("environment_id","customer_id") REFERENCES "public"."customers"("environment_id","id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "credits" ADD CONSTRAINT "credits_asset" FOREIGN KEY ("environment_id","asset") REFERENCES "public"."assets"("environment_id","number") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "customers" ADD CONSTRAINT "customers_environment_id_environments_id_fk" FOREIGN KEY ("environment_id") REFERENCES "public"."environments"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "environment_accounts" ADD CONSTRAINT "environment_accounts_asset" FOREIGN KEY ("environment_id","asset") REFERENCES "public"."assets"("environment_id","number") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "epochs" ADD CONSTRAINT "epochs_partition_partitions_partition_fk" FOREIGN KEY ("partition") REFERENCES "public"."partitions"("partition") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "grants" ADD CONSTRAINT "grants_wallet" FOREIGN KEY ("environment_id","wallet_id") REFERENCES "public"."wallets"("environment_id","wallet_id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "keys" ADD CONSTRAINT "keys_environment_id_environments_id_fk" FOREIGN KEY ("environment_id") REFERENCES "public"."environments"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "replies" ADD CONSTRAINT "replies_environment_id_environments_id_fk" FOREIGN KEY ("environment_id") REFERENCES "public"."environments"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "wallets" ADD CONSTRAINT "wallets_customer" FOREIGN KEY ("environment_id","customer_id") REFERENCES "public"."customers"("environment_id","id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "credits_pending" ON "credits" USING btree ("attempted_at") WHERE "credits"."state" = 'pending';--> statement-breakpoint
CREATE INDEX "customers_newest" ON "customers" USING btree ("environment_id","created_at","id");--> statement-breakpoint
CREATE INDEX "customers_operation" ON "customers" USING btree ("environment_id","operation_id");--> statement-breakpoint
CREATE INDEX "entries_operation" ON "entries" USING btree ("environment_id","operation_id") WHERE "entries"."operation_id" is not null;--> statement-breakpoint
CREATE UNIQUE INDEX "environments_default" ON "environments" USING btree ("is_default") WHERE "environments"."is_default";--> statement-breakpoint
CREATE INDEX "holds_due" ON "holds" USING btree ("partition","expires_at") WHERE "holds"."status" = 'open';--> statement-breakpoint
CREATE INDEX "quarantine_place" ON "quarantine" USING btree ("partition","epoch","seq");--> statement-breakpoint
CREATE INDEX "quarantine_wallet" ON "quarantine" USING btree ("environment_id","wallet_id","id");--> statement-breakpoint
CREATE INDEX "replies_oldest" ON "replies" USING btree ("created_at");--> statement-breakpoint
CREATE INDEX "wallets_to_freeze" ON "wallets" USING btree ("quarantined_at") WHERE "wallets"."quarantined_at" is not null and "wallets"."quarantine_frozen_at" is null;