import { defineConfig } from "vite";

// One script and one style sheet, so that a page can hold both inline; `SONDE_BUNDLE` lets the build hook choose the folder.
export default defineConfig({
  build: {
    lib: { entry: "src/main.ts", formats: ["iife"], name: "sonde", fileName: () => "sonde.js", cssFileName: "sonde" },
    outDir: process.env.SONDE_BUNDLE ?? "../src/sonde/views/bundle",
    emptyOutDir: true,
    target: ["chrome123", "firefox121", "safari17.5"],
  },
});
