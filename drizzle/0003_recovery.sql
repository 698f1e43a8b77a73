ALTER TABLE "epochs" ADD COLUMN "durability" text;--> statement-breakpoint
ALTER TABLE "epochs" ADD COLUMN "sealed_seq" bigint;--> statement-breakpoint
ALTER TABLE "epochs" ADD COLUMN "acknowledged_seq" bigint;