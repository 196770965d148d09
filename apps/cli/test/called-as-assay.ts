// commands are printed as somebody who has `assay` on PATH types them, wherever the tests are run from
process.env.ASSAY_CALLED_AS = "assay";
