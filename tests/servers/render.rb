# Renders texts as Redmine shows them, by its own `textilizable`, on a copy of its database: RENDER_IN is a JSON list of
# [format, text], RENDER_OUT gets a list of {html, mentioned}. Everything that a text may name is there.
require 'json'

User.current = User.find_by_login('admin')
project = Project.active.where(is_public: true).first
project.enable_module!(:wiki)
project.enable_module!(:news)
project.enable_module!(:boards)
project.enable_module!(:documents)
wiki = project.wiki || Wiki.create!(project: project, start_page: 'Wiki')
%w[Wiki Start].each do |title|
  page = wiki.find_page(title) || WikiPage.new(wiki: wiki, title: title)
  page.content = WikiContent.new(page: page, text: 'A page', author: User.current) unless page.content
  page.save_with_content(page.content)
end
Version.create!(project: project, name: '1.0') unless project.versions.where(name: '1.0').any?
News.create!(project: project, title: 'News', description: 'x', author: User.current)
Document.create!(project: project, title: 'Doc', category: DocumentCategory.first || DocumentCategory.create!(name: 'x'))
board = Board.create!(project: project, name: 'Forum', description: 'x')
Message.create!(board: board, subject: 'Message', content: 'x', author: User.current)
issue = Issue.new(project: project, tracker: project.trackers.first, subject: 'x', author: User.current,
                  priority: IssuePriority.first, status: IssueStatus.first)
issue.save!(validate: false)
%w[a.png b.txt image@2x.png].each do |name|
  file = StringIO.new('x')
  file.define_singleton_method(:original_filename) { name }
  file.define_singleton_method(:content_type) { 'image/png' }
  Attachment.create!(container: issue, file: file, author: User.current, filename: name)
end
issue.reload

$format = nil
Setting.define_singleton_method(:text_formatting) { $format }
require 'rack/mock'
controller = IssuesController.new
controller.request = ActionDispatch::Request.new(Rack::MockRequest.env_for("http://redmine.example.com/issues/#{issue.id}"))
controller.response = ActionDispatch::Response.new
controller.instance_variable_set(:@project, project)
view = controller.view_context

made = JSON.parse(File.read(ENV.fetch('RENDER_IN'))).map do |format, text|
  $format = format
  text = text.gsub("\n", "\r\n") # as Redmine's database holds it
  { html: view.textilizable(text, object: issue, attachments: issue.attachments).to_s,
    mentioned: issue.send(:scan_for_mentioned_users, text) }
rescue StandardError => e
  { html: "<p class=\"flash\">#{CGI.escapeHTML(e.class.name)}: #{CGI.escapeHTML(e.message)}</p>", mentioned: [], error: e.backtrace.first(5) }
end
File.write(ENV.fetch('RENDER_OUT'), JSON.generate(made))
